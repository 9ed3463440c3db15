// Conveniences on top of pages that work without them.
"use strict";

// A link to a line of the editor selects it there.
document.addEventListener("click", (event) => {
  const jump = event.target.closest("a.jump");
  const editor = document.getElementById("text");
  if (!jump || !editor) return;
  event.preventDefault();
  const lines = editor.value.split("\n");
  const line = Math.min(Number(jump.dataset.line), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(start, start + lines[line - 1].length);
  editor.scrollTop = editor.scrollHeight * ((line - 4) / lines.length);
});

// Line numbers beside the editor.
for (const editor of document.querySelectorAll("textarea[data-lines]")) {
  const frame = document.createElement("div");
  const gutter = document.createElement("pre");
  frame.className = "lined";
  gutter.className = "gutter";
  gutter.setAttribute("aria-hidden", "true");
  editor.wrap = "off";
  editor.replaceWith(frame);
  frame.append(gutter, editor);
  const faulty = new Set((editor.dataset.lines || "").split(" "));
  let count = 0;
  const number = () => {
    const now = editor.value.split("\n").length;
    if (now !== count) {
      count = now;
      gutter.replaceChildren(...Array.from({ length: now }, (_, i) => {
        const span = document.createElement("span");
        span.textContent = i + 1 + "\n";
        if (faulty.has(String(i + 1))) span.className = "faulty";
        return span;
      }));
    }
    gutter.scrollTop = editor.scrollTop;
  };
  editor.addEventListener("input", number);
  editor.addEventListener("scroll", () => { gutter.scrollTop = editor.scrollTop; });
  number();
}

// A button that copies what its data-copy names.
for (const source of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  });
  source.after(button);
}
