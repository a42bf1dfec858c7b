"use strict";
// Says "refresh" to whatever listens for it, while somebody can see the page and is not busy in a table.
const busy = () => document.activeElement?.closest("main section") || String(getSelection());
setInterval(() => {
  if (document.visibilityState === "visible" && !busy()) document.body.dispatchEvent(new Event("refresh"));
}, 15000);
