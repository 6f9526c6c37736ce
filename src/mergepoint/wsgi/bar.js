// A bar with links to all applications of the site. Include it with <script src="/site.js" defer></script>.
(() => {
  const source = document.currentScript.src;

  // A shadow tree and a constructed sheet: the page's styles do not reach in, ours do not reach out,
  // and a Content-Security-Policy without 'unsafe-inline' allows both.
  const style = `
    :host { all: initial; display: block; }
    nav { display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding: .3rem 1rem; background: #20242b;
          font: 13px/1.5 system-ui, sans-serif; }
    a { color: #c3c9d4; text-decoration: none; }
    a:hover, a:focus-visible { color: #fff; text-decoration: underline; }
    a[aria-current] { color: #fff; font-weight: 600; }
    @media print { nav { display: none; } }`;

  const holds = (path) => {
    const here = location.pathname;
    return here === path || here.startsWith(path.endsWith("/") ? path : path + "/");
  };

  const link = (app, current) => {
    const a = document.createElement("a");
    a.href = app.path;
    a.textContent = app.title;
    if (app === current) a.setAttribute("aria-current", "page");
    return a;
  };

  const draw = ({ apps }) => {
    const [current] = apps.filter((app) => holds(app.path)).sort((a, b) => b.path.length - a.path.length);
    const host = document.createElement("site-bar");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    const nav = document.createElement("nav");
    nav.setAttribute("aria-label", "Site");
    nav.append(...apps.map((app) => link(app, current)));
    root.append(nav);
    document.body.before(host); // not inside, where margins and layout of the page would reach it
  };

  fetch(new URL("site.json", source))
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then(draw)
    .catch((reason) => console.warn("The bar of this site cannot be drawn:", reason));
})();
