// Keeps an open page true without reloading it. The page works without this file.
(() => {
  const page = document.documentElement;
  let shown = Number(page.dataset.revision);
  let waiting = false;

  const fill = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || part.outerHTML === next.outerHTML) continue;
      // Never take a row or a form from under somebody's hands.
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      if (focused && focused.closest("form")) { offer(); continue; }
      const id = focused && focused.id;
      part.replaceWith(document.adoptNode(next));
      if (id) document.getElementById(id)?.focus({ preventScroll: true });
    }
  };
  const offer = () => document.getElementById("changed")?.removeAttribute("hidden");

  const refresh = async () => {
    if (waiting) return;
    waiting = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        fill(new DOMParser().parseFromString(await answer.text(), "text/html"));
        status(true);
      }
    } catch { status(false); } finally { waiting = false; }
  };
  const status = (isLive) => {
    document.getElementById("live-dot")?.classList.toggle("off", !isLive);
    const lost = document.getElementById("lost");
    if (lost) lost.hidden = isLive;
  };

  const events = new EventSource("/events");
  events.onmessage = (message) => {
    const news = JSON.parse(message.data);
    const text = document.getElementById("status-text");
    if (text) text.textContent = page.lang === "en" ? news.en : news.zh;
    status(true);
    if (news.revision !== shown) { shown = news.revision; refresh(); }
  };
  events.onerror = () => status(false);
  document.getElementById("changed")?.addEventListener("click", () => location.reload());
})();
