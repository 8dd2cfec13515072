"use strict";
// Search: a picture is chosen, dropped or pasted, and a region is drawn with the pointer or written into four fields.
(() => {
  const first = (selector) => document.querySelector(selector);
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, {detail}));

  // ---- a picture from outside

  function send(file) {
    const form = first(".drop");
    if (!form || !file) return;
    if (file.size > Number(form.dataset.most)) {
      tell("review:say", `A picture must have at most ${Math.floor(form.dataset.most / 1e6)} MB; make a smaller copy of it.`);
      return;
    }
    const headers = {"Content-Type": "application/octet-stream"};
    const address = `/search?name=${encodeURIComponent(file.name.slice(0, 200))}`;
    tell("review:go", {address, options: {method: "POST", body: file, headers}});
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches(".drop input[type=file]")) send(event.target.files[0]);
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      const form = first(".drop");
      if (!form) return;
      event.preventDefault();
      form.classList.toggle("over", name === "dragover");
      if (name === "drop") send(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file && first(".drop")) {
      event.preventDefault();
      send(file);
    }
  });

  // ---- a region

  const FIELDS = ["left", "top", "width", "height"];
  const input = (name) => first(`fieldset.box input[name=${name}]`);
  let start = null;

  function outline() {
    const svg = first("svg.region");
    const [left, top, width, height] = FIELDS.map((name) => Number(input(name).value) / 100);
    const [w, h] = [Number(svg.dataset.width), Number(svg.dataset.height)];
    const box = [left * w, top * h, width * w, height * h];
    ["x", "y", "width", "height"].forEach((name, place) => svg.querySelector("rect").setAttribute(name, box[place]));
    const inner = `M${box[0]} ${box[1]}h${box[2]}v${box[3]}h${-box[2]}z`;
    svg.querySelector("path").setAttribute("d", `M0 0h${w}v${h}h${-w}z${inner}`);
  }

  function pointed(svg, event) { // in % of the picture
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const part = (value, whole) => Math.min(100, Math.max(0, (100 * value) / Number(whole)));
    return [part(point.x, svg.dataset.width), part(point.y, svg.dataset.height)];
  }

  document.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest?.("svg.region");
    if (!svg) return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    start = pointed(svg, event);
  });
  document.addEventListener("pointermove", (event) => {
    const svg = first("svg.region");
    if (!start || !svg) return;
    const end = pointed(svg, event);
    const corner = [0, 1].map((axis) => Math.min(start[axis], end[axis]));
    const size = [0, 1].map((axis) => Math.abs(start[axis] - end[axis]));
    [...corner, ...size].forEach((value, place) => { input(FIELDS[place]).value = value.toFixed(2); });
    outline();
  });
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { start = null; });
  document.addEventListener("input", (event) => { if (event.target.matches("fieldset.box input")) outline(); });
})();
