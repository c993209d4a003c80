// The little that is better with a script. Every page works without it.
//
//   id + data-live="URL"     the element is fetched again from there every two seconds
//   id + data-events="URL"   the server sends the element whenever it changes
//   form data-swap="ID"      the answer's element of that id takes the place of ours
//   data-copy="ID"           a button that copies the text of that element
'use strict';
(() => {
  const read = (text) => new DOMParser().parseFromString(text, 'text/html');

  // swap puts the element of a new document in the place of ours, keeps the focus and
  // what was unfolded, and brings the new one to life.
  const swap = (id, doc) => {
    const was = document.getElementById(id), now = doc.getElementById(id);
    if (!was || !now) return null;
    const focus = was.contains(document.activeElement) && document.activeElement.id;
    for (const d of was.querySelectorAll('details[id][open]')) {
      const again = now.querySelector('#' + CSS.escape(d.id));
      if (again) again.open = true;
    }
    was.replaceWith(now);
    if (focus && document.getElementById(focus)) document.getElementById(focus).focus();
    wake(now);
    return now;
  };

  const load = async (url, options) => {
    const answer = await fetch(url, { credentials: 'same-origin', headers: { Accept: 'text/html' }, ...options });
    return { answer, doc: read(await answer.text()) };
  };

  const live = (element) => {
    const { id } = element, url = element.dataset.live;
    setTimeout(async () => {
      if (document.getElementById(id) !== element) return;
      if (document.hidden) return live(element);
      try {
        const { answer, doc } = await load(url);
        if (answer.ok && swap(id, doc)) return;
      } catch { /* the server is away: ask again */ }
      live(element);
    }, 2000);
  };

  const events = (element) => {
    const { id } = element, source = new EventSource(element.dataset.events);
    source.addEventListener('part', (e) => { if (!swap(id, read(e.data))) source.close(); });
    source.addEventListener('done', (e) => { source.close(); location.replace(e.data); });
    source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000); });
  };

  const wake = (root) => {
    for (const e of [root, ...root.querySelectorAll('[data-live],[data-copy],[hidden][data-script]')]) {
      if (e.dataset.live && e.id) live(e);
      if (e.dataset.copy || e.dataset.script !== undefined) e.hidden = false;
    }
  };

  document.addEventListener('submit', async (e) => {
    const form = e.target, id = form.dataset.swap;
    if (!id || e.defaultPrevented) return;
    e.preventDefault();
    const data = new URLSearchParams(new FormData(form, e.submitter));
    const get = form.method === 'get';
    if (e.submitter) e.submitter.disabled = true;
    try {
      const { answer, doc } = await load(get ? form.action + '?' + data : form.action, get ? {} : { method: 'POST', body: data });
      if (!swap(id, doc)) location.assign(answer.url);
    } catch { form.submit(); }
    if (e.submitter) e.submitter.disabled = false;
  });

  document.addEventListener('click', async (e) => {
    const button = e.target.closest('[data-copy]');
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const was = button.textContent;
    button.textContent = 'copied';
    setTimeout(() => { button.textContent = was; }, 2000);
  });

  // A button data-passkey="URL" shows a passkey, or makes one where an element
  // #passkey-label names it, and leads to data-to.
  const passkey = async (button) => {
    const url = button.dataset.passkey, label = document.getElementById('passkey-label');
    const post = (path, headers, body) => fetch(path, { method: 'POST', body, headers: { 'X-Allgreen-Token': button.dataset.token, ...headers } });
    const begun = await post(url + '/begin');
    if (!begun.ok) throw new Error(await begun.text());
    const options = await begun.json(), K = PublicKeyCredential;
    const made = label ? await navigator.credentials.create({ publicKey: K.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: K.parseRequestOptionsFromJSON(options) });
    const ended = await post(url, { 'Content-Type': 'application/json', 'X-Allgreen-Ceremony': begun.headers.get('X-Allgreen-Ceremony'),
      'X-Allgreen-Label': label ? label.value.replace(/[^ -~]/g, '?') : '' }, JSON.stringify(made.toJSON()));
    if (!ended.ok) throw new Error(await ended.text());
    location.assign(button.dataset.to);
  };

  document.addEventListener('click', (e) => {
    const button = e.target.closest('[data-passkey]');
    if (button) passkey(button).catch((problem) => {
      const place = document.querySelector('[data-passkey-problem]');
      place.textContent = problem.message;
      place.hidden = false;
    });
  });

  wake(document.body);
  for (const e of document.querySelectorAll('[data-events]')) if (e.id) events(e);
})();
