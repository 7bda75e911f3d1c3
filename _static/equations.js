// A displayed equation that is wider than its column gives up its left margin, then shrinks a little;
// where that is not enough it scrolls inside itself, with its number on a line below.
(() => {
  const SMALLEST = 0.8;

  const widthOf = (element) => (element ? element.getBoundingClientRect().width : 0);

  function fit(container) {
    container.classList.remove("tight", "wide");
    container.style.fontSize = "";
    const columns = container.querySelector("mjx-math > mjx-mtable[side] > mjx-table > mjx-itable");
    const body = widthOf(columns || container.querySelector("mjx-math"));
    const number = columns ? widthOf(container.querySelector("mjx-labels > mjx-itable")) + 12 : 0;
    const room = container.clientWidth;
    if (room === 0 || body + 2 * number <= room) return;
    container.classList.toggle("tight", number > 0);
    const scale = Math.min(1, room / (body + number));
    if (scale < 1) {
      const size = parseFloat(getComputedStyle(container).fontSize);
      container.style.fontSize = `${size * Math.max(0.99 * scale, SMALLEST)}px`;
    }
    container.classList.toggle("wide", scale < SMALLEST);
  }

  const fitAll = () =>
    document.querySelectorAll("mjx-container[display='true']").forEach(fit);

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    fitAll();
    new ResizeObserver(fitAll).observe(document.querySelector(".bd-article") || document.body);
  });
})();
