// What the pages are without: countdowns that run, local times, copying, and noticing changes. Everything works
// without this file.
"use strict";

const text = (seconds) => {
  if (seconds <= 0) return "none";
  if (seconds < 120) return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60;
  return [d && `${d} d`, h && `${h} h`, m && `${m} min`].filter(Boolean).join(" ");
};

const tick = () => {
  const now = Math.floor(Date.now() / 1000);
  for (const at of document.querySelectorAll("[data-until]")) at.textContent = text(at.dataset.until - now);
  for (const bar of document.querySelectorAll("progress[data-ends]")) bar.value = Math.max(0, bar.dataset.ends - now);
};

for (const at of document.querySelectorAll("time")) at.title = new Date(at.dateTime).toLocaleString();
if (document.querySelector("[data-until]")) setInterval(tick, 1000);

for (const code of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  code.after(button);
}

const waiting = (work, pause) => {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(work, pause); };
};

for (const at of document.querySelectorAll("[data-local]")) {
  const field = document.getElementById(at.dataset.local);
  const show = () => {
    at.hidden = !field.value;
    if (field.value) at.textContent = `For you: ${new Date(`${field.value}Z`).toLocaleString()}`;
  };
  field.addEventListener("input", show);
  show();
}

const asking = document.querySelector("form[data-preview]");
if (asking) {
  const look = async () => {
    const form = new FormData(asking);
    if (!form.getAll("host").length && !form.get("more") && !form.get("labels")) return;
    form.set("dry", "yes");
    try {
      const answer = await fetch(asking.getAttribute("action"), { method: "POST", body: new URLSearchParams(form) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of [asking.dataset.preview, "reason-label"]) {
        const fresh = page.getElementById(id);
        if (fresh) document.getElementById(id).replaceChildren(...fresh.childNodes);
      }
    } catch { /* the button still asks */ }
  };
  asking.addEventListener("input", waiting(look, 400));
}

for (const part of document.querySelectorAll("[data-only]")) {
  const choice = document.getElementById("action");
  const show = () => { part.hidden = choice.value !== part.dataset.only; };
  choice.addEventListener("change", show);
  show();
}

const watched = document.querySelector("[data-watch]");
if (watched) {
  if (location.pathname !== watched.dataset.address) history.replaceState(null, "", watched.dataset.address);
  setInterval(async () => {
    const typing = [...document.querySelectorAll("main input:not([type=hidden]), main textarea")];
    if (document.hidden || typing.some((field) => field.value !== field.defaultValue || field === document.activeElement)) return;
    try {
      const answer = await fetch(watched.dataset.watch, { headers: { Accept: "application/json" } });
      if (answer.ok && !answer.redirected && (await answer.json()).version !== watched.dataset.version) location.reload();
    } catch { /* the next try may do better */ }
  }, 3000);
}
