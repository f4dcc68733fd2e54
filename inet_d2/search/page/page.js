"use strict";
// All texts from files and answers go in as textContent, never as markup.

const byId = (id) => document.getElementById(id);
const state = { picture: null, box: null, wanted: new Set(), rejected: new Set(), asked: 0 };

function element(kind, options = {}, ...children) {
  const made = document.createElement(kind);
  for (const [key, value] of Object.entries(options)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Error("The server does not answer; is inet-search serve still running?");
  }
  const content = await response.json().catch(() => ({ error: response.statusText }));
  if (!response.ok) throw new Error(content.error || response.statusText);
  return content;
}

function hint(text) { byId("hint").textContent = text; }

async function showInfo() {
  try {
    const info = await request("/api/info");
    document.title = `${info.name} – person search`;
    const threshold = info.calibrated_on ? `calibrated on ${info.calibrated_on}` : "not calibrated";
    byId("info").textContent =
      `${info.name}: ${info.people.toLocaleString()} people in ${info.files.toLocaleString()} files, ${threshold}`;
    if (!info.people) hint("The index holds nobody yet. Add people with: inet-search index");
  } catch (error) {
    byId("info").textContent = error.message;
  }
}

async function take(file) {
  if (!file) return;
  hint("Looking for people …");
  try {
    const found = await request("/api/pictures", {
      method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file,
    });
    state.picture = found;
    state.box = null;
    forgetMarks();
    showPicture(found);
    if (!found.boxes.length) {
      hint("Nobody was found in this picture. Drag a box around the person.");
    } else if (found.boxes.length === 1) {
      choose(0);
    } else {
      hint(`${found.boxes.length} people: choose one, or drag a box around somebody else.`);
      byId("picture").querySelector(".person").focus();
    }
  } catch (error) {
    hint(error.message);
  }
}

function showPicture(found) {
  const place = byId("picture");
  place.hidden = false;
  byId("shown").src = `/api/pictures/${found.picture}`;
  place.querySelectorAll(".person").forEach((old) => old.remove());
  found.boxes.forEach((box, index) => addPerson(box, index));
}

function addPerson(box, index) {
  const { width, height } = state.picture;
  const [x1, y1, x2, y2] = box;
  const button = element("button", {
    type: "button", class: "person", "aria-pressed": "false", "aria-label": `Person ${index + 1}`,
    onclick: () => choose(index),
  }, element("span", { text: String(index + 1) }));
  button.style.left = `${(100 * x1) / width}%`;
  button.style.top = `${(100 * y1) / height}%`;
  button.style.width = `${(100 * (x2 - x1)) / width}%`;
  button.style.height = `${(100 * (y2 - y1)) / height}%`;
  byId("picture").append(button);
}

function choose(index) {
  state.box = state.picture.boxes[index];
  byId("picture").querySelectorAll(".person").forEach((button, place) => {
    button.setAttribute("aria-pressed", String(place === index));
  });
  hint(`Person ${index + 1} is searched.`);
  forgetMarks();
  search();
}

// Dragging over the picture draws a box of one's own.
function drawing(place) {
  let start = null;
  const point = (event) => {
    const edge = byId("shown").getBoundingClientRect();
    const scale = state.picture.width / edge.width;
    return [(event.clientX - edge.left) * scale, (event.clientY - edge.top) * scale];
  };
  place.addEventListener("pointerdown", (event) => { start = state.picture && point(event); });
  byId("shown").addEventListener("dragstart", (event) => event.preventDefault());
  window.addEventListener("pointerup", (event) => {
    if (!start) return;
    const end = point(event);
    const box = [Math.min(start[0], end[0]), Math.min(start[1], end[1]), Math.max(start[0], end[0]), Math.max(start[1], end[1])];
    start = null;
    const least = state.picture.width / 50;
    if (box[2] - box[0] < least || box[3] - box[1] < least) return;
    state.picture.boxes.push(box);
    addPerson(box, state.picture.boxes.length - 1);
    choose(state.picture.boxes.length - 1);
  });
}

function forgetMarks() {
  state.wanted.clear();
  state.rejected.clear();
  byId("reset").hidden = true;
}

function mark(person, set, other) {
  if (set.has(person)) set.delete(person);
  else set.add(person);
  other.delete(person);
  byId("reset").hidden = !(state.wanted.size || state.rejected.size);
  search(person);
}

async function search(focused) {
  if (!state.box) {
    hint("Drop a picture and choose a person first.");
    return;
  }
  const asked = ++state.asked;
  const values = new FormData(byId("filters"));
  byId("headline").textContent = "Searching …";
  const query = {
    examples: [
      { picture: state.picture.picture, box: state.box },
      ...[...state.wanted].map((person) => ({ person })),
    ],
    rejected: [...state.rejected],
    begin: values.get("begin"), end: values.get("end"), source: values.get("source"),
    false_alarms: Number(values.get("false_alarms")), all: values.has("all"),
  };
  try {
    const answer = await request("/api/search", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(query),
    });
    if (asked === state.asked) show(answer, focused);  // a later search has its own answer
  } catch (error) {
    if (asked !== state.asked) return;
    byId("headline").textContent = error.message;
    byId("hits").replaceChildren();
    byId("timeline").hidden = true;
  }
}

function show(answer, focused) {
  byId("headline").textContent = answer.headline;
  byId("hits").replaceChildren(...answer.found.map(hit));
  timeline(answer.found);
  if (focused !== undefined) {
    const place = byId(`hit-${focused}`);
    if (place) place.querySelector(".actions button").focus();
    else byId("answer").focus();
  }
}

const fileName = (path) => path.split(/[\\/]/).pop();
const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : String(part))).join(":");
};

function hit(row) {
  const stay = row.kind === "video" ? `, ${clock(row.begin)} to ${clock(row.end)}` : "";
  const boxes = row.num_boxes > 1 ? `, ${row.num_boxes} boxes` : "";
  const kind = row.verdict === "find" ? " find" : row.verdict === "unrated" ? " unrated" : "";
  const image = element("img", { alt: `Hit ${row.rank}`, src: `/api/people/${row.person}/crop`, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(element("p", { class: "small", text: "The file was moved." })));
  const toggle = (text, set, other) => element("button", {
    type: "button", text, "aria-pressed": String(set.has(row.person)), onclick: () => mark(row.person, set, other),
  });
  return element("li", { class: `hit${kind}`, id: `hit-${row.person}` },
    element("button", { type: "button", class: "open", "aria-label": `Open hit ${row.rank}`, onclick: () => open(row) }, image),
    element("div", {},
      element("p", {}, element("span", { class: "verdict", text: `${row.rank}. ${row.verdict}` }),
        element("span", { class: "faint", text: `  ${row.similarity.toFixed(3)}` })),
      element("p", { class: "small", text: row.remark }),
      element("p", { class: "small faint", text: `${row.time}${stay}${boxes}` }),
      element("p", { class: "small faint", text: fileName(row.path), title: row.path }),
      element("div", { class: "actions" },
        toggle("This is them", state.wanted, state.rejected),
        toggle("Not them", state.rejected, state.wanted))));
}

function timeline(rows) {
  const place = byId("timeline");
  const sources = new Map();
  const videos = rows.filter((row) => row.kind === "video");
  videos.forEach((row) => sources.set(row.source, [...(sources.get(row.source) || []), row]));
  const images = rows.filter((row) => row.kind !== "video");
  place.replaceChildren(
    ...[...sources.values()].map((lane) => track(fileName(lane[0].path), lane, 0, Math.max(lane[0].duration, ...lane.map((r) => r.end)), (r) => r.begin)),
    ...(images.length > 1 ? [track("pictures", images, Math.min(...images.map((r) => r.seconds)), Math.max(...images.map((r) => r.seconds)), (r) => r.seconds)] : []),
  );
  place.hidden = !place.children.length;
}

function track(name, rows, begin, end, time) {
  const line = element("div", { class: "track" });
  const length = Math.max(end - begin, 1e-6);
  for (const row of rows) {
    const tick = element("button", {
      type: "button", class: `tick${row.verdict === "find" ? " find" : ""}`, title: `${row.rank}. ${row.time}`,
      "aria-label": `To hit ${row.rank}`,
      onclick: () => { byId(`hit-${row.person}`).scrollIntoView({ block: "center" }); byId(`hit-${row.person}`).querySelector(".open").focus(); },
    });
    tick.style.left = `${2 + (96 * (time(row) - begin)) / length}%`;
    if (row.kind === "video") tick.style.width = `${Math.min(96, (96 * (row.end - row.begin)) / length)}%`;
    line.append(tick);
  }
  return element("div", { class: "lane" }, element("span", { class: "name", text: name, title: name }), line);
}

function open(row) {
  const body = byId("scene-body");
  byId("scene-name").textContent = row.kind === "video" ? `${row.path} at ${clock(row.offset)}` : row.path;
  const picture = element("img", { alt: "The whole picture, the person outlined", src: `/api/people/${row.person}/scene` });
  picture.addEventListener("error", () => picture.replaceWith(element("p", { text: "The file was moved or changed since it was indexed." })));
  body.replaceChildren(picture);
  if (row.kind === "video") {
    body.append(element("button", { type: "button", text: "Play the video from here", onclick: (event) => {
      const video = element("video", { controls: "", preload: "metadata", src: `/api/videos/${row.source}#t=${row.offset}` });
      video.addEventListener("error", () => video.replaceWith(element("p", { text: "This browser cannot play the video; the frame above is from it." })));
      event.target.replaceWith(video);
    } }));
  }
  byId("scene").showModal();
}

byId("file").addEventListener("change", (event) => take(event.target.files[0]));
byId("filters").addEventListener("submit", (event) => { event.preventDefault(); search(); });
byId("reset").addEventListener("click", () => { forgetMarks(); search(); });
byId("scene").addEventListener("close", () => byId("scene-body").replaceChildren());
drawing(byId("picture"));
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); byId("drop").classList.remove("over"); });
}
document.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
document.addEventListener("paste", (event) => take([...event.clipboardData.files][0]));
showInfo();
