"use strict";

const one = (selector, from = document) => from.querySelector(selector);
const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
};

async function post(address, body) {
  const token = one("meta[name=token]").content;
  const headers = { Accept: "application/json", "X-Flipbot-Token": token };
  const answer = await fetch(address, { method: "POST", body, headers });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

// A failed fetch has the browser's own words; only the server's are meant for people.
const fresh = () => {
  for (const key of document.querySelectorAll("input[name=key]")) key.value = `${Date.now()} ${Math.random()}`;
};
const sentence = (error, offline) => (error instanceof TypeError || error instanceof SyntaxError ? offline : error.message);

// Many buttons are one stop of the Tab key; arrows lead from one to the next.
function rove(buttons) {
  const to = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  for (const [n, button] of buttons.entries()) {
    button.addEventListener("focus", () => buttons.forEach((each) => { each.tabIndex = each === button ? 0 : -1; }));
    button.addEventListener("keydown", (event) => {
      if (!(event.key in to)) return;
      event.preventDefault();
      buttons[Math.min(Math.max(n + to[event.key], 0), buttons.length - 1)].focus();
    });
  }
}

// Pictures that the server can read though many browsers cannot show them.
const ELSEWHERE = /\b(hei[cf]|avif|tiff?|p[bgnp]m)\b/i;

function tryPage(form) {
  const drop = one(".drop");
  const input = one("#picture");
  const error = one("#error");
  const button = one("button[type=submit]", form);
  let shown = "";
  let chosen = null; // what is shown is what would be sent

  function hold(file) {
    const carrier = new DataTransfer();
    if (file) carrier.items.add(file);
    input.files = carrier.files;
  }

  function choose(file) {
    if (!file) {
      hold(chosen);
      return;
    }
    if (file.size > Number(form.dataset.limit)) {
      hold(chosen);
      const stays = chosen || !one(".chosen").hidden; // a film's that is used again is no file
      say(error, stays ? `${form.dataset.tooBig} ${form.dataset.stays}` : form.dataset.tooBig);
      return;
    }
    chosen = file;
    say(error, "");
    if (shown) URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(file);
    const image = one(".chosen");
    image.hidden = false;
    say(one(".wrong"), "");
    image.onload = () => drop.classList.add("has");
    image.onerror = () => {
      image.hidden = true;
      drop.classList.remove("has");
      if (!ELSEWHERE.test(`${file.type} ${file.name}`)) say(one(".wrong"), form.dataset.noPicture);
    };
    image.src = shown;
    one(".picture .name").textContent = `${file.name} · ${form.dataset.another}`;
  }

  function give(files) {
    const picture = [...files].find((file) => file.type.startsWith("image/")) || files[0];
    if (!picture) return;
    hold(picture);
    choose(picture);
  }

  input.addEventListener("change", () => choose(input.files[0]));
  one("#camera").addEventListener("change", (event) => give(event.target.files));
  one(".moment").addEventListener("click", (event) => {
    const prompt = one("#prompt");
    const times = [...prompt.value.matchAll(/[|｜]\s*(\d+(?:[.,]\d+)?)/g)].map((found) => Number(found[1].replace(",", ".")));
    const at = Math.max(0, ...times) + 2;
    prompt.value = `${prompt.value.trimEnd()} | ${at}${event.target.dataset.unit} `.trimStart();
    prompt.focus();
  });
  if (input.files[0]) choose(input.files[0]);
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") give(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    give(event.clipboardData.files);
  });
  rove([...document.querySelectorAll(".examples .chip")]);
  for (const chip of document.querySelectorAll(".examples .chip")) {
    chip.addEventListener("click", () => {
      one("#prompt").value = chip.textContent.trim();
      one("#prompt").focus();
    });
    const film = chip.querySelector("video");
    if (!film) continue;
    film.addEventListener("loadedmetadata", () => { film.currentTime = Math.max(0, film.duration - .1); }, { once: true });
    if (still) continue;
    const play = () => { if (film.paused) { film.currentTime = 0; film.play().catch(() => {}); } };
    for (const kind of ["pointerenter", "focus", "click"]) chip.addEventListener(kind, play);
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const label = button.textContent;
    button.disabled = true;
    button.textContent = form.dataset.sending;
    say(error, "");
    try {
      const { url } = await post(form.action, new FormData(form));
      fresh(); // who comes back asks for another film
      location.assign(url);
    } catch (refused) {
      say(error, sentence(refused, form.dataset.offline));
      error.scrollIntoView({ block: "center" });
    } finally {
      button.disabled = false;
      button.textContent = label;
    }
  });
}

// Films play by themselves, and again from their beginning, for those who want things to move.
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

// A film that grows while it plays: each section is a fragment that is appended once, and the provisional frames at the
// end give way to those that take their place in time. What is there is a whole film each time, so that it begins again
// where more is not there yet; the next fragment opens it. Where a browser lacks Media Source Extensions, or the film comes
// in another order, `plain` shows the whole film instead.
function growing(address, begun, plain) {
  const Source = window.ManagedMediaSource || window.MediaSource;
  let whole = !Source;
  let state = null; // the newest
  let busy = false;
  let media = null;
  let buffer = null;
  let parts = 0; // appended
  let waited = false; // whether it had come to its end before more was there
  let end = ""; // address of the provisional frames that were appended last

  const event = (target, name) => new Promise((done, failed) => {
    target.addEventListener(name, done, { once: true });
    target.addEventListener("error", failed, { once: true });
  });

  async function open(bytes) {
    const at = String.fromCharCode(...bytes.subarray(0, 2048)).indexOf("avcC") + 5;
    const codec = [0, 1, 2].map((n) => bytes[at + n].toString(16).padStart(2, "0")).join(""); // ISO/IEC 14496-15, 5.3.3
    const kind = `video/mp4; codecs="avc1.${codec}"`;
    if (!Source.isTypeSupported(kind)) throw new Error(kind);
    const film = one(".film");
    film.disableRemotePlayback = true; // what a ManagedMediaSource asks for
    media = new Source();
    film.src = URL.createObjectURL(media);
    await event(media, "sourceopen");
    media.duration = state.seconds;
    buffer = media.addSourceBuffer(kind);
  }

  // True when the fragment is in its place, or there is none; false when it is to be fetched again later.
  async function add(url) {
    const bytes = await fetch(url).then((answer) => (answer.ok ? answer.arrayBuffer() : null)).catch(() => null);
    if (!bytes) return false;
    if (!bytes.byteLength) return true;
    const first = !media;
    if (first) await open(new Uint8Array(bytes));
    waited ||= one(".film").ended;
    buffer.appendBuffer(bytes);
    await event(buffer, "updateend");
    if (first) begun();
    return true;
  }

  async function pull() {
    while (parts < state.parts) {
      if (!(await add(`${address}${parts}`))) return;
      parts += 1;
    }
    const newest = state;
    if (newest.end && newest.end !== end) {
      if (!(await add(newest.end))) return;
      end = newest.end;
    }
    if (newest === state && media && media.readyState === "open") media.endOfStream();
    if (waited) {
      const film = one(".film");
      film.currentTime = film.currentTime; // Chromium thinks that it has ended until it is sought in
      film.play().catch(() => {});
    }
    waited = false;
  }

  async function follow() {
    busy = true;
    try {
      for (let seen = null; seen !== state;) {
        seen = state;
        await pull();
      }
    } catch (error) {
      whole = true;
      plain(state.film);
    }
    busy = false;
    const behind = parts < state.parts || (state.end && end !== state.end);
    if (!whole && state.over && behind) setTimeout(() => busy || follow(), 2000); // no event will come any more
  }

  return (newest) => {
    state = newest;
    whole ||= !state.joins;
    if (whole) plain(state.film);
    else if (!busy) follow();
  };
}

function watchPage(watch) {
  let source = null;
  let again = 0;
  let next = "";
  let goesOn = false;
  let preview = null;
  const own = one("#stop") !== null;
  const finished = watch.classList.contains("over"); // when it was opened: the whole film stands there already

  // The longer film is loaded beside the one that is shown and takes its place at the same moment of the film.
  function grow(address) {
    const old = one(".film");
    if (!address || next === address || (!next && old.getAttribute("src") === address)) return;
    next = address;
    const film = old.cloneNode(false);
    film.muted = old.muted;
    film.volume = old.volume;
    film.src = address;
    const swap = () => {
      if (next !== address) return; // a still longer one is under way
      goesOn ||= (!old.hasAttribute("src") && !still) || !old.paused || old.ended;
      old.pause();
      const before = watch.dataset.order === "inverted" && old.duration ? film.duration - old.duration : 0;
      const at = old.currentTime + before; // what is made later stands in front there
      const show = () => {
        if (next !== address) return;
        film.playbackRate = old.playbackRate;
        old.replaceWith(film);
        old.removeAttribute("src");
        old.load();
        one(".still").hidden = true;
        if (goesOn) film.play().catch(() => {});
        goesOn = false;
      };
      if (!(at > 0)) return show();
      film.addEventListener("seeked", show, { once: true });
      film.currentTime = at;
    };
    film.addEventListener("loadeddata", swap, { once: true });
    film.addEventListener("error", () => { // superseded while it was loading: the next event names the longer one
      if (next === address) next = "";
    }, { once: true });
    film.load();
  }

  const join = growing(`${watch.dataset.base}/part/`, () => {
    one(".still").hidden = true;
    if (!still) one(".film").play().catch(() => {});
  }, grow);

  // Shown when it is there, so that nothing flickers or moves.
  function foresee(address) {
    preview = address;
    if (!address) {
      one("#preview").hidden = true;
      return;
    }
    const image = new Image();
    image.onload = () => {
      if (preview !== address) return;
      one("#preview img").replaceWith(image);
      one("#preview").hidden = false;
    };
    image.alt = "";
    image.src = address;
  }

  function show(state) {
    say(one("#headline"), state.headline);
    document.title = state.title;
    one("#bar").value = state.value;
    one("#bar").hidden = state.over;
    watch.classList.toggle("over", state.over);
    one("#step").textContent = state.step;
    one("#left").textContent = state.left;
    say(one("#why"), state.why);
    one("#asked").textContent = state.prompt;
    one("#settings").textContent = state.settings;
    one("#notes").textContent = state.notes;
    foresee(state.preview);
    if (own) {
      one("#download").hidden = !state.film;
      one("#stop-hint").hidden = !state.stop;
      one("#longer").hidden = !state.again;
      one("#copy").dataset.text = state.command;
      offer(one("#edit"), state.edit);
      if (state.over) one("#said .steered")?.remove(); // nothing is left that could follow it
      for (const name of ["stop", "cancel", "steer", "again", "finish"]) one(`#${name}`).hidden = !state[name];
    }
    one(".film").loop = !still && (!state.over || state.loops);
    if (!finished) join(state);
    if (state.over) close();
  }

  // What somebody wrote there stays.
  function offer(field, text) {
    if (field.defaultValue === text) return;
    const untouched = field.value === field.defaultValue;
    field.defaultValue = text;
    if (untouched) field.value = text;
  }

  function close() {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  }

  // Why there is nothing to watch: the film was deleted, a link or a session ended, too many watch. A stream does not
  // say it. over: it is of no use to ask again
  async function refusal() {
    const asked = new AbortController();
    const headers = { Accept: "application/json" };
    const answer = await fetch(`${watch.dataset.base}/events`, { headers, signal: asked.signal }).catch(() => null);
    const said = answer && !answer.ok ? await answer.json().then(({ error }) => error, () => "") : "";
    asked.abort();
    return { said, over: Boolean(said) && [401, 404].includes(answer.status) };
  }

  function open() {
    close();
    source = new EventSource(`${watch.dataset.base}/events`);
    source.onmessage = (event) => {
      one("#offline").hidden = true;
      show(JSON.parse(event.data));
    };
    source.onerror = async () => {
      close();
      const refused = await refusal();
      say(one("#offline"), refused.said || watch.dataset.offline);
      if (refused.over || source || document.hidden) return;
      clearTimeout(again);
      again = setTimeout(open, 2000);
    };
  }

  if (own) ownPage(watch, show);
  // A browser has six connections to one host: tabs that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

// Asks once more before something is gone: the first press only changes what the button says.
function sure(form, text, needed = () => true) {
  form.addEventListener("submit", (event) => {
    const button = one("button", form);
    if (!needed() || button.classList.contains("sure")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const label = button.innerHTML;
    button.classList.add("sure");
    button.textContent = text;
    setTimeout(() => {
      button.classList.remove("sure");
      button.innerHTML = label;
    }, 4000);
  });
}

function ownPage(watch, show) {
  // Of its own, for the next step of the film says anew what else is to be read.
  const told = (refused) => say(one("#refused"), refused ? sentence(refused, watch.dataset.offline) : "");
  const handle = (form, then) => form.addEventListener("submit", async (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    told(null);
    try {
      then(await post(form.action, body), form);
    } catch (refused) {
      told(refused);
    }
  });
  sure(one("#cancel"), watch.dataset.sure, () => !one("#stop").hidden);
  handle(one("#stop"), show);
  handle(one("#cancel"), show);
  for (const form of document.querySelectorAll("form.go")) {
    handle(form, ({ url }) => {
      fresh();
      location.assign(url);
    });
  }
  handle(one("form.stay"), (_, form) => {
    const done = document.createElement("span");
    done.className = "steered";
    done.textContent = form.dataset.done;
    one("#said").replaceChildren(done);
    one("#steer").open = false;
  });
  handle(one("#link"), ({ url }, form) => copy(url, form.dataset.done));
  one("#copy").addEventListener("click", (event) => copy(event.target.dataset.text, event.target.dataset.done));
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    one("#said").textContent = `${done} ${text}`;
  } catch (refused) { // not allowed, or not a secure context: it can still be read and copied by hand
    one("#said").textContent = text;
  }
}

// The server says when something was in UTC; the owner reads it by this browser's clock.
function local(root) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/g, (_, day, time) =>
      new Date(`${day}T${time}Z`).toLocaleString("sv", { dateStyle: "short", timeStyle: "short" }));
  }
}

// What happens elsewhere shows itself; forms that somebody is in stay as they are.
function adminPage(admin) {
  local(admin);
  setInterval(async () => {
    if (document.hidden || admin.contains(document.activeElement)) return;
    const answer = await fetch("/admin", { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
    local(fetched.body);
    for (const part of document.querySelectorAll("[data-live]")) {
      const newer = one(`[data-live=${part.dataset.live}]`, fetched);
      if (newer && newer.innerHTML !== part.innerHTML) part.replaceWith(newer);
    }
    for (const form of document.querySelectorAll(".admin form[data-sure]")) sure(form, form.dataset.sure);
  }, 1000 * Number(admin.dataset.refresh));
}

const form = one(".try");
if (form) tryPage(form);
const watch = one(".watch");
if (watch) watchPage(watch);
for (const each of document.querySelectorAll("form[data-sure]")) sure(each, each.dataset.sure);
const admin = one(".admin");
if (admin) adminPage(admin);
