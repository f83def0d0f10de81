/** Keeps the page's files, so that it works without a network after the first visit. */
const VERSION = "@VERSION@"; // a digest of all files: other files are another version
const FILES = ["@FILES@"];
const PREFIX = `shufflenet ${registration.scope} `;

oninstall = (event) => {
  // What the browser holds already is asked about, not loaded twice.
  const requests = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(PREFIX + VERSION).then((cache) => cache.addAll(requests)));
};

onactivate = (event) => {
  const stale = (name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(stale).map((name) => caches.delete(name)))),
  );
};

onfetch = (event) => {
  const kept = async () => {
    const cache = await caches.open(PREFIX + VERSION);
    return (await cache.match(event.request, { ignoreSearch: true })) ?? fetch(event.request);
  };
  event.respondWith(kept());
};
