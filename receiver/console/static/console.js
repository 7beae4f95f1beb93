// What pages do beyond links and forms: live updates, keys, copying. Every page works without it.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- Copy buttons: <button data-copy="TEXT" data-copied="Copied" hidden>

function copying(root) {
  for (const button of $$("[data-copy], [data-copy-from]", root)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
      await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
      say(button.dataset.copied || "");
    });
  }
}

function say(text) {
  const status = $("#live-status");
  if (status) status.textContent = text;
}

// --- Live updates: <main> of a page whose body has data-live="URL" of a stream. An event says that something
// changed; the page is fetched again, and the parts with data-part are replaced, if their content differs.

function live() {
  const url = document.body.dataset.live;
  if (!url) return;
  const stream = new EventSource(url);
  const sign = $("[data-live-sign]");
  let pending = false, again = false;

  const mark = (on) => {
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("off", !on);
    sign.textContent = on ? sign.dataset.on : sign.dataset.off;
  };

  const refresh = async () => {
    if (pending) { again = true; return; }
    pending = true;
    try {
      await update();
    } finally {
      pending = false;
      if (again) { again = false; setTimeout(refresh, 1000); }
    }
  };

  stream.addEventListener("open", () => mark(true));
  stream.addEventListener("error", () => mark(false));
  stream.addEventListener("changed", refresh);
  addEventListener("pagehide", () => stream.close());
}

async function update() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of $$("[data-part]")) {
    if (part.contains(document.activeElement) && document.activeElement !== document.body) continue;
    const next = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!next || next.innerHTML === part.innerHTML) continue;
    part.replaceChildren(...next.childNodes);
    copying(part);
  }
}

// --- Keys: / search, j and k rows, Enter opens, r reloads, g overview, ? list of keys

const typing = (target) => target.closest("input, select, textarea, [contenteditable]");

function move(step) {
  const links = $$("main [data-rows] a[data-row]");
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + step))];
  next.focus();
}

const KEYS = {
  "/": () => $("#search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  r: () => location.reload(),
  g: () => { location.href = "/console"; },
  "?": () => $("#keys")?.showModal(),
};

function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const button of $$("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", KEYS["?"]);
  }
}

// --- A notice stands once: reload and copied links do not repeat it.

function forgetNotice() {
  const url = new URL(location.href);
  if (!url.searchParams.has("notice")) return;
  url.searchParams.delete("notice");
  url.searchParams.delete("count");
  history.replaceState(null, "", url);
}

// --- A page with a new secret is shown once: a reload leads to data-once="URL" and does not make another one.

function once() {
  const url = document.body.dataset.once;
  if (url) history.replaceState(null, "", url);
}

copying(document);
once();
keys();
live();
forgetNotice();
