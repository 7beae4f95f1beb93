// What pages do beyond links and forms: live updates, keys, copying. Every page works without it.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- Copy buttons: <button data-copy="TEXT" data-copied="Copied" hidden>, or data-copy-from="ID" of an element with
// the text, or data-copy-link="PATH" of a page

function copying(root) {
  for (const button of $$("[data-copy], [data-copy-from], [data-copy-link]", root)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const { copy, copyFrom, copyLink, copied } = button.dataset;
      const source = copyFrom && document.getElementById(copyFrom);
      const link = copyLink && new URL(copyLink, location.href).href;
      await navigator.clipboard.writeText(source ? source.textContent : link || copy);
      say(copied || "");
    });
  }
}

function say(text) {
  const status = $("#live-status");
  if (status) status.textContent = text;
}

// --- Live updates of a page whose body has data-live="URL" of a stream. `changed`: the page is fetched again,
// and the parts with data-part are replaced, if their content differs. `parts`: the parts themselves.
// A hidden page has no stream, since browsers open few connections to a host.

const RETRY_MS = 15000;

function live() {
  const url = document.body.dataset.live;
  if (!url) return;
  const sign = $("[data-live-sign]");
  let stream = null, timer = 0, missed = document.hidden;

  const mark = (on, text) => {
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("off", !on);
    sign.textContent = text ?? (on ? sign.dataset.on : sign.dataset.off);
  };
  const lose = () => { missed = true; mark(false); };
  const refresh = oneByOne(async () => { if (!await update()) lose(); });

  const open = () => {
    clearTimeout(timer);
    if (stream || document.hidden) return;
    stream = new EventSource(url);
    stream.addEventListener("open", () => {
      mark(true);
      if (missed) { missed = false; refresh(); }
    });
    stream.addEventListener("error", () => {
      lose();
      if (stream?.readyState === EventSource.CLOSED) { close(); timer = setTimeout(open, RETRY_MS); }
    });
    stream.addEventListener("changed", refresh);
    stream.addEventListener("parts", (event) => replaceParts(event.data));
    stream.addEventListener("ended", () => { close(); mark(false, sign?.dataset.stale); });
  };
  const close = () => { clearTimeout(timer); stream?.close(); stream = null; missed = true; };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open); // comes after loading, too
}

// Returns a function that runs `work`; a call while it runs lets it run once more.
function oneByOne(work) {
  let running = false, again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    await work();
    running = false;
    if (again) { again = false; setTimeout(run, 1000); }
  };
}

async function update() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (answer.ok) replaceParts(await answer.text());
    return answer.ok;
  } catch {
    return false;
  }
}

function replaceParts(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of $$("[data-part]")) {
    const next = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!next || (next.innerHTML === part.innerHTML && next.className === part.className)) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const heir = focused && heirOf(focused, next);
    if (part.matches(":active") || (focused && !heir)) continue;
    const known = new Set($$("[data-key]", part).map((row) => row.dataset.key));
    part.className = next.className;
    const scrolled = $(".wide", part)?.scrollLeft;
    part.replaceChildren(...next.childNodes);
    if (scrolled) $(".wide", part)?.scrollTo(scrolled, 0);
    for (const row of $$("[data-key]", part)) row.classList.toggle("fresh", known.size > 0 && !known.has(row.dataset.key));
    copying(part);
    heir?.focus({ preventScroll: true });
  }
}

// Returns the element of a fetched part that takes the focus over: the link of the row with the same key, or the box
// that scrolls. Other elements keep the focus, and their part is not replaced.
function heirOf(focused, part) {
  if (focused.matches(".wide")) return $(".wide", part);
  const key = focused.matches("a[data-row]") && focused.closest("[data-key]")?.dataset.key;
  return key ? $(`[data-key="${CSS.escape(key)}"] a[data-row]`, part) : null;
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

// --- A slider over the options of a select: <p data-slider="ID" hidden><input type="range"></p>

function sliders() {
  for (const box of $$("[data-slider]")) {
    const select = document.getElementById(box.dataset.slider), range = $("input", box);
    let timer;
    const name = () => range.setAttribute("aria-valuetext", select.options[range.value].text);
    range.max = select.options.length - 1;
    range.value = select.selectedIndex;
    box.hidden = false;
    name();
    range.addEventListener("input", () => { select.selectedIndex = range.value; name(); });
    range.addEventListener("change", () => {
      clearTimeout(timer);
      timer = setTimeout(() => select.form.requestSubmit(), 500); // arrow keys may go on
    });
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
sliders();
live();
forgetNotice();
