"use strict";
// Pairs by keys: a decision is sent, and the next pair shows when the answer says that it is kept. Zoom and pan in step.
(() => {
  const SILENT = "The server does not answer. Start cbir review again and press the key once more: what was kept is kept, and never twice.";
  const remembered = {view: sessionStorage.getItem("view") || "side", plain: sessionStorage.getItem("plain") === "1"};
  const all = (selector) => [...document.querySelectorAll(selector)];
  const first = (selector) => document.querySelector(selector);
  let busy = false;
  let place = null; // centre, in px of the second picture, and zoom

  // ---- pages

  async function go(address, options = {}, {push = true, stay = ""} = {}) {
    if (busy) return;
    busy = true;
    document.body.classList.add("busy");
    try {
      const answer = await fetch(address, options);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok) show(page, answer.url, push, stay);
      else say(page.querySelector("#trouble")?.textContent || `The server answers ${answer.status}.`);
    } catch {
      say(SILENT);
    } finally {
      busy = false;
      document.body.classList.remove("busy");
    }
  }

  function show(page, address, push, stay) { // stay: the id of what keeps its place in the window, and the focus
    if (push && address !== location.href) history.pushState(null, "", address);
    const above = stay && document.getElementById(stay)?.getBoundingClientRect().top;
    document.title = page.title;
    document.body.replaceWith(document.adoptNode(page.body));
    begin();
    const kept = stay && document.getElementById(stay);
    (kept || first("#main"))?.focus({preventScroll: true});
    if (kept) scrollBy(0, kept.getBoundingClientRect().top - above);
    else scrollTo(0, 0);
  }

  function say(words) {
    const place = first("#say");
    place.textContent = words;
    place.hidden = false;
    setTimeout(() => { place.hidden = true; }, 12000);
  }

  function begin() {
    const viewer = first(".viewer");
    place = null;
    if (viewer) {
      view(viewer.dataset.matrix ? remembered.view : "side", false);
      outline(remembered.plain);
      draw();
      viewer.dataset.preload.split(" ").filter(Boolean).forEach((address) => { new Image().src = address; });
    }
    const token = first('.enter input[name="token"]');
    if (token && location.hash.length > 1) {
      token.value = location.hash.slice(1);
      history.replaceState(null, "", location.pathname);
      token.form.requestSubmit();
    }
  }

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    if (form.method === "post") go(form.getAttribute("action"), {method: "POST", body: fields}, {stay: form.dataset.stay});
    else go(`${form.getAttribute("action")}?${fields}`);
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a.button");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (target.matches("a")) { event.preventDefault(); go(target.getAttribute("href")); }
    if (target.dataset.view) view(target.dataset.view);
    if (target.dataset.do) DO[target.dataset.do]();
  });
  document.addEventListener("review:go", (event) => go(event.detail.address, event.detail.options));
  document.addEventListener("review:say", (event) => say(event.detail));
  addEventListener("popstate", () => go(location.href, {}, {push: false}));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=text], input[type=search], input[type=password], input[type=number], textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = CSS.escape(event.key === "=" ? "+" : event.key.toLowerCase());
    const button = first(`[data-key="${key}"]:not(:disabled)`);
    const field = first(`[data-focus="${key}"]`);
    const arrow = ARROWS[event.key];
    if (button) {
      event.preventDefault();
      if (!event.repeat || button.dataset.do) button.click();
    } else if (field) {
      event.preventDefault();
      field.focus();
    } else if (arrow && place?.zoom > 1 && !event.target.matches("input")) {
      event.preventDefault();
      const size = visible(first(".viewer").querySelectorAll("svg")[1]);
      moveTo(place.x + arrow[0] * size.width / 8, place.y + arrow[1] * size.height / 8);
    }
  });

  // ---- views

  const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const DO = {
    outline: () => outline(!remembered.plain),
    turn: turnOver,
    in: () => zoomTo(1.5 * (place?.zoom || 1)),
    out: () => zoomTo((place?.zoom || 1) / 1.5),
    fit: () => zoomTo(1),
  };

  function view(name, keep = true) {
    first(".viewer").dataset.view = name;
    all(".tools [data-view]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.view === name));
    if (keep) sessionStorage.setItem("view", remembered.view = name);
    draw();
  }

  function outline(plain) {
    remembered.plain = plain;
    sessionStorage.setItem("plain", plain ? "1" : "0");
    first(".viewer").classList.toggle("plain", plain);
    first('[data-do="outline"]')?.setAttribute("aria-pressed", !plain);
  }

  function turnOver() {
    const turn = first(".viewer .turn");
    const turned = turn.toggleAttribute("data-turned");
    const width = turn.ownerSVGElement.dataset.width;
    if (turned) turn.setAttribute("transform", `translate(${width} 0) scale(-1 1)`);
    else turn.removeAttribute("transform");
    first(".turned").hidden = !turned;
    first('[data-do="turn"]').setAttribute("aria-pressed", turned);
    draw();
  }

  // ---- zoom and pan: the place is one point of the second picture, and the map leads to the first

  const sizeOf = (svg) => ({width: Number(svg.dataset.width), height: Number(svg.dataset.height)});

  function map() { // from the first picture to the second; where none is known, corner to corner
    const [one, two] = [...first(".viewer").querySelectorAll("svg")].map(sizeOf);
    const known = first(".viewer").dataset.matrix.split(" ").filter(Boolean).map(Number);
    return new DOMMatrix(known.length ? known : [two.width / one.width, 0, 0, two.height / one.height, 0, 0]);
  }

  function isTurned(svg) { return Boolean(svg.querySelector("[data-turned]")); }

  function visible(svg) { // the part of a picture that shows, at the zoom that both have
    const [one, two] = [...first(".viewer").querySelectorAll("svg")].map(sizeOf);
    const matrix = map();
    const scale = Math.sqrt(Math.abs(matrix.a * matrix.d - matrix.b * matrix.c));
    const field = Math.max(two.width, two.height, scale * one.width, scale * one.height);
    const isFirst = svg === first(".viewer svg");
    const size = sizeOf(svg);
    const own = (isFirst ? scale : 1) * Math.max(size.width, size.height);
    const share = Math.min(1, field / ((place?.zoom || 1) * own));
    return {width: size.width * share, height: size.height * share, scale: isFirst ? scale : 1};
  }

  function draw() {
    const viewer = first(".viewer");
    const pictures = [...viewer.querySelectorAll("svg")];
    place ||= {x: sizeOf(pictures[1]).width / 2, y: sizeOf(pictures[1]).height / 2, zoom: 1};
    viewer.classList.toggle("zoomed", place.zoom > 1);
    for (const svg of pictures) {
      const size = sizeOf(svg), part = visible(svg);
      let point = new DOMPoint(place.x, place.y);
      if (svg === pictures[0]) point = point.matrixTransform(map().inverse());
      const x = isTurned(svg) ? size.width - point.x : point.x;
      const left = Math.min(Math.max(0, x - part.width / 2), size.width - part.width);
      const top = Math.min(Math.max(0, point.y - part.height / 2), size.height - part.height);
      svg.setAttribute("viewBox", `${left} ${top} ${part.width} ${part.height}`);
      if (svg.closest(".laid")) slide(svg, left, part.width);
    }
    if (place.zoom >= 1.5) viewer.querySelectorAll("image[data-large]").forEach(sharpen);
  }

  function slide(svg, left, width) {
    const share = first(".slide input").value / 100;
    const edge = first(".viewer").dataset.view === "slide" ? left + share * width : sizeOf(svg).width;
    svg.querySelector("rect").setAttribute("width", Math.max(0, edge));
    for (const end of ["x1", "x2"]) svg.querySelector("line").setAttribute(end, edge);
  }

  function sharpen(image) {
    const address = image.dataset.large;
    delete image.dataset.large;
    const large = new Image();
    large.onload = () => image.setAttribute("href", address);
    large.src = address;
  }

  function zoomTo(zoom) {
    place.zoom = Math.min(40, Math.max(1, zoom));
    if (place.zoom === 1) place = null;
    draw();
  }

  function moveTo(x, y) {
    const size = sizeOf(first(".viewer").querySelectorAll("svg")[1]);
    place.x = Math.min(Math.max(0, x), size.width);
    place.y = Math.min(Math.max(0, y), size.height);
    draw();
  }

  function onSecond(svg, event) { // the point of the second picture that lies under the pointer
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (svg !== first(".viewer svg")) return point;
    if (isTurned(svg)) point.x = sizeOf(svg).width - point.x;
    return point.matrixTransform(map());
  }

  document.addEventListener("wheel", (event) => {
    const svg = event.target.closest?.(".viewer svg");
    if (!svg) return;
    event.preventDefault();
    const point = onSecond(svg, event), before = place.zoom;
    const zoom = Math.min(40, Math.max(1, before * Math.exp(-event.deltaY / 300)));
    place.x = point.x + (place.x - point.x) * before / zoom;
    place.y = point.y + (place.y - point.y) * before / zoom;
    zoomTo(zoom);
  }, {passive: false});

  let held = null;
  document.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest?.(".viewer svg");
    if (svg && place.zoom > 1) held = {svg, from: onSecond(svg, event)};
  });
  document.addEventListener("pointermove", (event) => {
    if (!held) return;
    const now = onSecond(held.svg, event);
    moveTo(place.x + held.from.x - now.x, place.y + held.from.y - now.y);
  });
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { held = null; });
  document.addEventListener("input", (event) => { if (event.target.matches(".slide input")) draw(); });

  begin();
})();
