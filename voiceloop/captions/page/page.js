"use strict";
// Shows the captions as they come, and lets the reader scroll back. Speech is never parsed as HTML: it is set by
// textContent only.
(() => {
  const query = new URLSearchParams(location.search);
  const overlay = query.has("overlay");
  const integerOption = (name, least, most, fallback) => {
    const value = Number.parseInt(query.get(name) ?? "", 10);
    return Number.isNaN(value) ? fallback : Math.min(most, Math.max(least, value));
  };
  const rows = integerOption("lines", 1, 30, overlay ? 2 : 0); // 0: as many as fit
  const keepMs = integerOption("seconds", 1, 600, overlay ? 8 : 0) * 1000; // 0: captions stay
  const MOST_LINES = rows ? 40 : 10000;
  const QUIET_MS = 15000; // the server says something at least every 5 s
  const root = document.documentElement;
  root.classList.toggle("overlay", overlay);
  root.classList.toggle("few", rows > 0);
  if (rows) root.style.setProperty("--lines", rows);
  if (query.has("size")) root.style.setProperty("--size", `${integerOption("size", 10, 400, 48)}px`);

  const [session, captions, lives, newest, state] =
    ["session", "captions", "lives", "newest", "state"].map((id) => document.getElementById(id));
  const texts = []; // what "Save text" saves: { text, second }

  // Lines

  function part(tag, name, text) {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  }

  const nameOf = (source, speaker) => [source, speaker].filter(Boolean).join(", ");

  function line(kind, source, speaker, ...parts) {
    const element = part("p", kind, "");
    const name = nameOf(source, speaker);
    if (name) element.append(part("span", source === "mic" ? "source mic" : "source", `${name}:`), " ");
    element.append(...parts);
    return element;
  }

  function add(element, text, id = 0) {
    captions.append(element);
    texts.push({ id, text, second: "" });
    if (texts.length > MOST_LINES) texts.shift();
    if (keepMs) setTimeout(() => element.remove(), keepMs);
    if (captions.children.length <= MOST_LINES) return;
    const before = following ? 0 : session.scrollHeight;
    captions.firstChild.remove();
    if (!following) session.scrollTop -= before - session.scrollHeight; // what is read stays where it is
  }

  // A second line, in another language, comes a moment after the words.
  function addSecond(id, text) {
    const element = document.getElementById(`line-${id}`);
    if (!element || element.querySelector(".second")) return;
    const second = part("span", "second", text);
    second.lang = captions.dataset.second;
    element.append(second);
    const saved = texts.find((each) => each.id === id);
    if (saved) saved.second = text;
  }

  const note = (text) => add(line("note", "", "", text), `(${text})`);
  const count = (number, one, many) => (number === 1 ? `1 ${one}` : `${number} ${many}`);

  const two = (number) => String(number).padStart(2, "0");

  function clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  }

  // Where the reader is: at the newest line, which is followed, or further up, where nothing moves.

  let following = true;
  let unseen = 0;
  let lastTop = 0;

  const atEnd = () => session.scrollHeight - session.clientHeight - session.scrollTop < 8;

  function follow() {
    if (following) {
      session.scrollTop = session.scrollHeight;
      lastTop = session.scrollTop;
    }
    newest.hidden = following;
    newest.textContent = unseen ? `Newest (${count(unseen, "new line", "new lines")})` : "Newest";
  }

  session.addEventListener("scroll", () => {
    // Only going up stops following: text that grew below, or a window that shrank, doesn't.
    if (atEnd()) { following = true; unseen = 0; }
    else if (session.scrollTop < lastTop) following = false;
    lastTop = session.scrollTop;
    follow();
  });
  newest.addEventListener("click", () => {
    following = true;
    unseen = 0;
    session.focus({ preventScroll: true });
    follow();
  });
  new ResizeObserver(follow).observe(session);
  addEventListener("look", follow);

  // The connection. The reader says which line it has, and gets those that follow.

  let source;
  let known = ""; // the session on the server whose lines these are
  let last = 0; // the number of the newest line here
  let lostAt = 0; // when the connection was lost; 0: it was not
  let lastAtLoss = 0;
  let caughtUp = false;
  let heardAt = Date.now();
  let waitMs = 1000;
  let timer;

  let told = 0; // when the state was told

  function tell(text) {
    told = Date.now();
    if (state.textContent !== text) state.textContent = text;
  }

  function take({ session: name, newest: number, lines, lives: living }) {
    if (name !== known) {
      if (known) note("The captions were started again.");
      known = name;
      last = lastAtLoss = 0;
      // Another session's numbers begin again.
      for (const old of captions.querySelectorAll("[id]")) old.removeAttribute("id");
      for (const old of texts) old.id = 0;
    }
    for (const { id, at, source: from, speaker, text, second } of lines) {
      const missed = id - last - 1;
      if (missed > 0) note(last ? `${count(missed, "line is", "lines are")} missing here.`
        : `${count(missed, "earlier line is", "earlier lines are")} no longer kept.`);
      last = id;
      const name = nameOf(from, speaker);
      const element = line("final", from, speaker, part("span", "text", text));
      element.id = `line-${id}`;
      add(element, `[${clock(at)}] ${name ? `${name}: ` : ""}${text}`, id);
      if (second) addSecond(id, second);
      if (!following) unseen += 1;
    }
    lives.replaceChildren(...living.map(({ source: from, sure, unsure }) =>
      line("live", from, "", part("span", "sure", sure && `${sure} `), part("span", "unsure", unsure))));
    follow();
    if (last < number) return; // there are more to come
    if (lostAt) {
      tell(`Connected again. ${last > lastAtLoss ? count(last - lastAtLoss, "line", "lines") : "Nothing"} in between.`);
      lostAt = 0;
    } else if (!caughtUp) tell(number ? `Connected. ${count(number, "line", "lines")} so far.` : "Waiting for somebody to speak.");
    else if (lines.length && Date.now() - told > 8000) tell("");
    // What was said before the reader came is not read out; from then on each line is, once.
    if (!caughtUp) setTimeout(() => captions.setAttribute("aria-live", "polite"), 500);
    caughtUp = true;
  }

  function connect() {
    clearTimeout(timer);
    source?.close();
    heardAt = Date.now();
    source = new EventSource(`events?after=${known}-${last}`);
    source.onmessage = ({ data }) => { heardAt = Date.now(); waitMs = 1000; take(JSON.parse(data)); };
    source.addEventListener("second", ({ data }) => {
      heardAt = Date.now();
      for (const { id, text } of JSON.parse(data)) addSecond(id, text);
      follow();
    });
    source.addEventListener("alive", () => { heardAt = Date.now(); });
    source.addEventListener("end", () => lose("The captions have ended."));
    source.onerror = () => lose();
  }

  // Try again, sooner or later. Not all at once, if a room full of readers has lost the connection.
  function lose(reason) {
    source.close();
    clearTimeout(timer);
    heardAt = Infinity;
    lives.replaceChildren();
    if (!lostAt) {
      lostAt = Date.now();
      lastAtLoss = last;
      tell(reason ?? `Connection lost at ${new Date(lostAt).toLocaleTimeString()}. Trying again.`);
    }
    timer = setTimeout(connect, waitMs * (0.5 + Math.random()));
    waitMs = Math.min(waitMs * 2, 10000);
    if (!reason) ask();
  }

  // An EventSource doesn't tell why it failed.
  async function ask() {
    let answer;
    try { answer = await fetch("./", { cache: "no-store" }); } catch { return; } // nobody answers
    if (answer.status === 503) tell(await answer.text());
    if (answer.status !== 404) return;
    clearTimeout(timer);
    tell("These captions have ended.");
  }

  setInterval(() => { if (Date.now() - heardAt > QUIET_MS) lose(); }, 1000);
  addEventListener("online", () => { if (lostAt) connect(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && lostAt) connect(); });
  connect();

  document.getElementById("save").addEventListener("click", () => {
    const now = new Date();
    const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
    const time = two(now.getHours()) + two(now.getMinutes());
    const url = URL.createObjectURL(new Blob([texts.map(({ text, second }) => `${text}\n${second && `    ${second}\n`}`).join("")], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `captions-${day}-${time}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
})();
