// Once a minute the page is loaded again, unless somebody uses it or nobody sees it.
setInterval(() => {
  const busy = document.activeElement && document.activeElement.closest("form");
  if (!document.hidden && !busy) location.reload();
}, 60000);
