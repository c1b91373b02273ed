"use strict";
// Size, colours and font, as this reader chose them. They are remembered where the browser allows it.
(() => {
  const form = document.getElementById("look");
  const button = document.getElementById("look-button");
  const KEY = "voiceloop captions: ";

  // Access alone can throw, where storage is forbidden.
  const remembered = (name) => {
    try { return localStorage.getItem(KEY + name) ?? ""; } catch { return ""; }
  };
  const remember = (name, value) => {
    try { localStorage.setItem(KEY + name, value); } catch { /* it holds until the page is closed */ }
  };

  function show() {
    const root = document.documentElement;
    const { size, colours, font } = form.elements;
    root.dataset.colours = colours.value;
    root.dataset.font = font.value;
    if (size.value) root.style.setProperty("--size", size.value);
    else root.style.removeProperty("--size");
    dispatchEvent(new Event("look"));
  }

  for (const select of form.elements) {
    select.value = remembered(select.name);
    if (select.selectedIndex < 0) select.selectedIndex = 0; // a value of another version
    select.addEventListener("change", () => { remember(select.name, select.value); show(); });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", () => {
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) form.elements[0].focus();
  });
  form.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    form.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  });
  // An overlay is for a program: nobody's choice changes it.
  if (!new URLSearchParams(location.search).has("overlay")) show();
})();
