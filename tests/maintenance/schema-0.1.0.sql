-- What receiver 0.1.0 made of an empty SQLite file. It is history, and does not change.

CREATE TABLE delivery (
    id VARCHAR NOT NULL,
    account VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    ref VARCHAR,
    received_at FLOAT NOT NULL,
    method VARCHAR NOT NULL,
    "query" VARCHAR NOT NULL,
    headers JSON NOT NULL,
    body BLOB NOT NULL,
    peer VARCHAR,
    problem VARCHAR,
    PRIMARY KEY (id)
);

CREATE INDEX ix_delivery_received_at ON delivery (received_at);

CREATE INDEX delivery_by_problem ON delivery (problem) WHERE problem IS NOT NULL;

CREATE TABLE fact (
    seq INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    account VARCHAR NOT NULL,
    ref VARCHAR,
    task_id VARCHAR,
    kind VARCHAR NOT NULL,
    at FLOAT NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (id)
);

CREATE INDEX fact_by_task_id ON fact (account, task_id) WHERE task_id IS NOT NULL;

CREATE INDEX fact_by_ref ON fact (account, ref) WHERE ref IS NOT NULL;

CREATE TABLE link (
    account VARCHAR NOT NULL,
    task_id VARCHAR NOT NULL,
    ref VARCHAR NOT NULL,
    PRIMARY KEY (account, task_id)
);

CREATE INDEX link_by_ref ON link (account, ref);

CREATE TABLE task (
    account VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    ref VARCHAR,
    task_id VARCHAR,
    queue_id VARCHAR,
    claimed_id VARCHAR,
    name VARCHAR,
    state VARCHAR NOT NULL,
    finish_result VARCHAR,
    finish_comment VARCHAR,
    cdr VARCHAR,
    attempts INTEGER NOT NULL,
    attempts_most INTEGER,
    attempts_exact BOOLEAN NOT NULL,
    try_count INTEGER,
    pause FLOAT,
    a_number VARCHAR,
    b_number VARCHAR,
    extension_id VARCHAR,
    confidence VARCHAR NOT NULL,
    gone BOOLEAN NOT NULL,
    settled BOOLEAN NOT NULL,
    planned_at FLOAT,
    first_at FLOAT NOT NULL,
    last_at FLOAT NOT NULL,
    finished_at FLOAT,
    due_at FLOAT,
    due_for VARCHAR,
    expected JSON NOT NULL,
    arrived JSON NOT NULL,
    duplicates JSON NOT NULL,
    lost JSON NOT NULL,
    PRIMARY KEY (account, "key")
);

CREATE INDEX task_by_first ON task (first_at, account, "key");

CREATE INDEX task_by_task_id ON task (account, task_id);

CREATE INDEX task_by_queue ON task (account, queue_id, state);

CREATE INDEX task_by_due ON task (account, due_for, due_at);

CREATE TABLE finding (
    account VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    queue_id VARCHAR,
    count INTEGER NOT NULL,
    detail VARCHAR NOT NULL,
    at FLOAT NOT NULL,
    PRIMARY KEY (account, "key", category, kind)
);

CREATE INDEX finding_by_category ON finding (category, at);

CREATE TABLE queue (
    account VARCHAR NOT NULL,
    queue_id VARCHAR NOT NULL,
    name VARCHAR,
    comment VARCHAR,
    status VARCHAR NOT NULL,
    concurrent_task_limit INTEGER,
    created_at FLOAT,
    observed_at FLOAT NOT NULL,
    PRIMARY KEY (account, queue_id)
);

CREATE TABLE sweep (
    account VARCHAR NOT NULL,
    queue_id VARCHAR NOT NULL,
    started_at FLOAT NOT NULL,
    next_page INTEGER NOT NULL,
    tasks INTEGER NOT NULL,
    completed_at FLOAT,
    error VARCHAR,
    PRIMARY KEY (account, queue_id)
);

CREATE TABLE api_token (
    name VARCHAR NOT NULL,
    hash VARCHAR NOT NULL,
    scopes VARCHAR NOT NULL,
    created_at FLOAT NOT NULL,
    revoked_at FLOAT,
    PRIMARY KEY (name),
    UNIQUE (hash)
);
