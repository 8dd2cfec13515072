"use strict";
// Every text of the archive (file names, captions) is untrusted: it enters the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("groups");
  if (!data.groups.length) return;

  const FIRST = 24; // images of a large group that are shown until asked for all
  const byId = (id) => document.getElementById(id);
  const controls = { query: byId("query"), filter: byId("filter"), sort: byId("sort"), perPage: byId("per-page") };
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const number = (value) => value.toLocaleString("en");
  const count = (value, one, many = one + "s") => `${number(value)} ${value === 1 ? one : many}`;
  document.documentElement.style.setProperty("--side", `${data.side}px`);

  for (const group of data.groups) {
    const files = group.images.flatMap((image) => image.files);
    for (const file of files) file[2] = data.accessions[file[2]];
    group.files = files.length;
    group.accessions = [...new Set(files.map((file) => file[2]))];
    group.lowest = Math.min(...group.images.map((image) => image.similarity));
    group.known = new Set(group.images.filter((image) => image.known).map((image) => image.known));
  }
  const groupOf = new Map(data.groups.map((group) => [group.id, group]));

  const filters = {
    all: () => true,
    across: (group) => group.accessions.length > 1,
    near: (group) => group.images.length > 1 && group.lowest < data.near,
    copies: (group) => group.files > group.images.length,
    only: (group) => group.images.length === 1,
    mixed: (group) => group.known.size > 1,
  };
  const sorts = {
    size: (a, b) => a.number - b.number,
    doubt: (a, b) => a.lowest - b.lowest || a.number - b.number,
    mix: (a, b) => b.accessions.length - a.accessions.length || a.number - b.number,
    id: (a, b) => (a.id < b.id ? -1 : 1),
  };

  let found = data.groups;
  let page = 1;

  function textOf(group) {
    group.text ??= fold(
      [group.id, ...group.images.flatMap((image) => [image.id, image.caption ?? "", image.translation ?? "", ...image.files.map((file) => file[0])])].join("\n"),
    );
    return group.text;
  }

  function find() {
    const words = fold(controls.query.value).split(/\s+/).filter(Boolean);
    found = data.groups
      .filter((group) => filters[controls.filter.value](group) && words.every((word) => textOf(group).includes(word)))
      .sort(sorts[controls.sort.value]);
    page = 1;
  }

  function element(name, properties = {}, ...children) {
    const { dir, ...rest } = properties;
    const made = Object.assign(document.createElement(name), rest);
    if (dir) made.dir = dir;
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const source = (image) => `thumbnails/${image.id}.webp`;
  const evidence = (group, image) => `groups/${group.id}.html#${image.id}`;
  const digits = (probability) => (probability > 0.999 ? "> 0.999" : probability.toFixed(3)); // never as if it were certain
  const original = (image) => `${data.archive}/${image.files[0][0].split("/").map(encodeURIComponent).join("/")}`;
  // Control characters and those for the direction of writing are shown, not obeyed (cbir/base/display.py).
  const visible = (text) => text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufffe\uffff]|\p{Cs}/gu, "\ufffd");
  const nameOf = (file) => visible(file[0].split("/").pop());
  const pageOf = (file) => (file[1] > 1 ? `, page ${file[1]}` : "");

  // Long names may break after a separator rather than in the middle of a word.
  function breakable(text) {
    const parts = visible(text).split(/(?<=[_\-–/,;()+&])|(?=\.[^.]+$)/u);
    return parts.flatMap((part, place) => (place ? [document.createElement("wbr"), part] : [part]));
  }

  function pathLine(file) {
    const cut = file[0].lastIndexOf("/") + 1;
    const path = element("span", { className: "path", dir: "auto" },
      element("span", { className: "folder" }, ...breakable(file[0].slice(0, cut))),
      element("strong", {}, ...breakable(file[0].slice(cut)), pageOf(file)));
    const button = element("button", { type: "button", textContent: "copy", title: "Copy the path in the archive" });
    button.setAttribute("aria-label", `Copy the path ${visible(file[0])}`);
    button.addEventListener("click", () => copy(file[0], path, button));
    return element("div", { className: "file" }, path, button);
  }

  async function copy(text, shown, button) {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(shown); // the browser refuses: selected, it is one key away
      button.textContent = "selected";
    }
    setTimeout(() => (button.textContent = "copy"), 1500);
  }

  function drawImage(group, image) {
    const [first, ...others] = image.files;
    const [width, height] = image.size;
    const scale = Math.min(1, data.side / Math.max(width, height));
    const picture = element("img", {
      src: source(image), alt: image.caption || nameOf(first), decoding: "async", loading: "lazy",
      width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)),
    });
    const button = element("button", { type: "button", className: "picture", title: "Enlarge" }, picture);
    button.addEventListener("click", () => view(group, image));
    if (image.best && group.images.length > 1) button.append(element("span", { className: "good", textContent: "best copy" }));
    const marks = element("div", { className: "marks" });
    if (group.images.length > 1) {
      const near = image.similarity < data.near;
      marks.append(element("a", {
        className: near ? "score near" : "score", textContent: digits(image.similarity), href: evidence(group, image),
        title: `Mean probability that it shows the same photograph as the others${near ? "; near the threshold" : ""}: see the evidence`,
      }));
    }
    marks.append(element("span", { textContent: visible(first[2]), title: "Accession", dir: "auto" }));
    if (group.known.size > 1 && image.known) {
      const which = [...group.known].indexOf(image.known) + 1;
      marks.append(element("span", { className: "near", textContent: `known group ${which}`, title: visible(image.known) }));
    }
    return element("li", { className: image.best && group.images.length > 1 ? "best" : "" },
      button,
      pathLine(first),
      marks,
      element("div", { className: "facts-of", textContent: `${number(width)} × ${number(height)} px` }),
      image.caption ? element("div", { className: "caption", textContent: image.caption, dir: "auto" }) : null,
      image.translation && image.translation !== image.caption
        ? element("div", { className: "caption translation", textContent: image.translation, dir: "auto" }) : null,
      others.length ? drawCopies(others) : null);
  }

  function drawCopies(files) {
    const lines = files.map((file) => element("li", {}, pathLine(file)));
    return element("details", { className: "copies", open: files.length <= 3 },
      element("summary", { textContent: count(files.length, "exact copy", "exact copies") }), element("ul", {}, ...lines));
  }

  function describe(group) {
    const parts = group.images.length > 1 ? [count(group.images.length, "image")] : ["one image"];
    if (group.files > group.images.length) parts.push(count(group.files, "file"));
    if (group.accessions.length > 1) parts.push(count(group.accessions.length, "accession"));
    parts.push(group.images.length > 1 ? `probability from ${digits(group.lowest)}` : "exact copies");
    if (group.known.size > 1) parts.push(`joins ${group.known.size} known groups`);
    return parts.join(" · ");
  }

  function drawGroup(group) {
    const title = element("h2", { id: `title-${group.id}` },
      element("a", { href: `#${group.id}`, textContent: `Group ${number(group.number)}`, title: "Link to this group" }));
    const head = element("header", {}, title, element("p", { textContent: describe(group) }),
      group.images.length > 1 ? element("a", { href: `groups/${group.id}.html`, textContent: "Evidence" }) : null,
      element("code", { textContent: group.id, title: "Group ID" }));
    const images = element("ul", { className: "images" }, ...group.images.slice(0, FIRST).map((image) => drawImage(group, image)));
    const card = element("article", { className: "group", id: group.id }, head, images);
    card.setAttribute("aria-labelledby", title.id);
    if (group.images.length > FIRST) {
      const more = element("button", { type: "button", className: "more", textContent: `Show all ${number(group.images.length)} images` });
      more.addEventListener("click", () => {
        images.append(...group.images.slice(FIRST).map((image) => drawImage(group, image)));
        images.children[FIRST].querySelector("button").focus();
        more.remove();
      });
      card.append(more);
    }
    return card;
  }

  function draw() {
    const size = Number(controls.perPage.value);
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(Math.max(1, page), pages);
    const shown = found.slice((page - 1) * size, page * size);
    list.replaceChildren(...shown.map(drawGroup));
    if (!shown.length) list.append(element("p", { className: "notice", textContent: "No group fits. Try fewer words, or show all groups." }));
    byId("count").textContent = found.length === data.groups.length
      ? count(found.length, "group") : `${number(found.length)} of ${count(data.groups.length, "group")}`;
    byId("page").value = page;
    byId("page").max = pages;
    byId("pages").textContent = number(pages);
    byId("previous").disabled = page === 1;
    byId("next").disabled = page === pages;
  }

  function turn(to) {
    page = to;
    draw();
    list.scrollIntoView();
    list.focus({ preventScroll: true });
  }

  // A link to a group, #ID, shows it whatever was searched for.
  function follow() {
    const wanted = groupOf.get(location.hash.slice(1));
    if (!wanted) return;
    if (!found.includes(wanted)) {
      controls.query.value = "";
      controls.filter.value = "all";
      find();
    }
    page = Math.floor(found.indexOf(wanted) / Number(controls.perPage.value)) + 1;
    draw();
    const card = byId(wanted.id);
    card.classList.add("wanted");
    card.scrollIntoView();
  }

  const viewer = byId("viewer");
  let viewed = { group: null, place: 0 };

  function view(group, image) {
    viewed = { group, place: group.images.indexOf(image) };
    byId("viewer-beside-label").hidden = group.images.length === 1;
    drawViewer();
    if (!viewer.open) viewer.showModal();
  }

  function step(by) {
    const { group, place } = viewed;
    viewed.place = (place + by + group.images.length) % group.images.length;
    drawViewer();
  }

  function drawViewer() {
    const { group, place } = viewed;
    const image = group.images[place];
    const best = group.images.find((other) => other.best);
    const both = byId("viewer-beside").checked && best !== image;
    byId("viewer-place").textContent = `Group ${number(group.number)} · picture ${place + 1} of ${group.images.length}`;
    for (const id of ["viewer-previous", "viewer-next"]) byId(id).disabled = group.images.length === 1;
    byId("viewer-pictures").replaceChildren(...(both ? [image, best] : [image]).map((shown) => enlarge(group, shown)));
  }

  // What the page holds is shown at once; the file itself takes its place where it lies beside the page and can be shown.
  function enlarge(group, image) {
    const picture = element("img", { src: source(image), alt: image.caption || nameOf(image.files[0]) });
    if (image.original) {
      const file = new Image();
      file.addEventListener("load", () => (picture.src = file.src));
      file.src = original(image);
    }
    const facts = [image.best ? "best copy" : null, image.size.map(number).join(" × ") + " px", visible(image.files[0][2])];
    return element("figure", {}, element("div", { className: "stage" }, picture),
      element("figcaption", {},
        element("strong", { textContent: visible(image.files[0][0]) + pageOf(image.files[0]), dir: "auto" }),
        element("div", { textContent: facts.filter(Boolean).join(" · ") }),
        image.caption ? element("div", { textContent: image.caption, dir: "auto" }) : null,
        element("a", { href: original(image), textContent: "Open the original file", target: "_blank", rel: "noopener" }),
        group.images.length > 1 && !image.best ? element("a", { href: evidence(group, image), textContent: "Laid on the best copy" }) : null));
  }

  byId("viewer-previous").addEventListener("click", () => step(-1));
  byId("viewer-next").addEventListener("click", () => step(1));
  byId("viewer-close").addEventListener("click", () => viewer.close());
  byId("viewer-beside").addEventListener("change", drawViewer);
  viewer.addEventListener("close", () => byId("viewer-pictures").replaceChildren());
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  let waiting = 0;
  controls.query.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { find(); draw(); }, 120);
  });
  for (const name of ["filter", "sort"]) controls[name].addEventListener("change", () => { find(); draw(); });
  controls.perPage.addEventListener("change", () => turn(1));
  controls.query.form.addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => turn(page - 1));
  byId("next").addEventListener("click", () => turn(page + 1));
  byId("page").addEventListener("change", (event) => turn(Math.trunc(Number(event.target.value)) || 1));
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || viewer.open || event.target.matches("input, select")) return;
    event.preventDefault();
    controls.query.focus();
  });

  find();
  draw();
  follow();
})();
