"use strict";
// Makes the viewer answer at once; without this file the same form reloads the page.
const viewer = document.querySelector("form.viewer");
if (viewer) {
  viewer.classList.add("live");
  const field = (name) => viewer.elements.namedItem(name);
  const address = (plane, index) =>
    `/requests/${viewer.dataset.request}/slice/${plane}/${index}.png?` +
    new URLSearchParams({ window: field("window").value, overlay: field("overlay")?.value ?? "1" });

  const show = (slider) => {
    const { plane } = slider.dataset;
    const image = viewer.querySelector(`img[data-plane="${plane}"]`);
    slider.nextElementSibling.textContent = `${Number(slider.value) + 1} / ${Number(slider.max) + 1}`;
    image.alt = `${plane} slice ${slider.value}`;
    const wanted = address(plane, slider.value);
    if (image.dataset.loading) {
      image.dataset.next = wanted; // one picture on its way at a time: the newest wins
      return;
    }
    load(image, wanted);
  };

  const load = (image, wanted) => {
    image.dataset.loading = wanted;
    const done = () => {
      delete image.dataset.loading;
      const next = image.dataset.next;
      delete image.dataset.next;
      if (next && next !== wanted) load(image, next);
    };
    image.onload = done;
    image.onerror = done;
    image.src = wanted;
  };

  const sliders = [...viewer.querySelectorAll("input[type=range]")];
  const move = (slider, steps) => {
    const before = slider.value;
    slider.value = String(Number(before) + steps);
    if (slider.value !== before) show(slider);
  };
  for (const slider of sliders) {
    slider.addEventListener("input", () => show(slider));
    const picture = slider.closest("figure").querySelector(".picture");
    picture.addEventListener("wheel", (event) => {
      event.preventDefault();
      move(slider, Math.sign(event.deltaY));
    }, { passive: false });
    picture.addEventListener("click", () => slider.focus());
  }
  for (const select of viewer.querySelectorAll("select")) {
    select.addEventListener("change", () => sliders.forEach(show));
  }
}
