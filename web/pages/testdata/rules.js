// What a page must be so that everybody can use it: the rules of WCAG 2.2 AA that a
// program can judge, and those of this house. The value is a list of what is wrong.
(() => {
  'use strict';
  const wrong = [];
  const say = (rule, element, what) => wrong.push(rule + ': ' + what + (element ? ' at ' + where(element) : ''));
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const where = (e) => {
    const text = (e.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 40);
    return '<' + e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + (e.getAttribute('class') ? '.' + e.getAttribute('class').replace(/ /g, '.') : '') + '>' + (text ? ' "' + text + '"' : '');
  };
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const byId = (e, attribute) => (e.getAttribute(attribute) || '').split(/\s+/).filter(Boolean).map((id) => document.getElementById(id));

  // What a screen reader calls an element, as far as these pages need.
  const nameOf = (e) => {
    const parts = [
      e.getAttribute('aria-label') || '',
      ...byId(e, 'aria-labelledby').map((l) => (l ? l.textContent : '')),
      ...[...(e.labels || [])].map((l) => l.textContent),
      ['A', 'BUTTON', 'SUMMARY'].includes(e.tagName) ? e.textContent + all('img', e).map((i) => i.alt).join('') + all('svg[role=img]', e).map(nameOf).join('') : '',
      e.tagName === 'INPUT' && ['submit', 'button'].includes(e.type) ? e.value : '',
      e.tagName.toLowerCase() === 'svg' ? all('title', e).map((t) => t.textContent).join('') : '',
    ];
    return parts.join(' ').trim();
  };

  // The document.
  if (!document.documentElement.lang) say('language', null, 'the document has none');
  if (!document.title.trim()) say('title', null, 'the document has none');
  if (document.compatMode !== 'CSS1Compat') say('doctype', null, 'there is none');
  const zoom = document.querySelector('meta[name=viewport]');
  if (!zoom || /user-scalable\s*=\s*no|maximum-scale/.test(zoom.content)) say('zoom', null, 'the viewport does not let people enlarge');

  // Landmarks: one main, everything in one of them, navigations told apart.
  if (all('main').length !== 1) say('landmark', null, all('main').length + ' main elements');
  if (all('nav').length > 1) for (const n of all('nav')) if (!nameOf(n)) say('landmark', n, 'one of several navigations without a name');
  for (const e of document.body.children) {
    const fine = e.matches('header, main, footer, nav, aside, script, template, a.skip-link, dialog') || !shown(e);
    if (!fine) say('landmark', e, 'content outside of all landmarks');
  }
  const first = document.querySelector('a[href]');
  if (all('nav a').length > 0 && !(first && first.hash && document.getElementById(first.hash.slice(1)))) say('skip-link', first, 'the first link does not lead to the content');

  // Headings: one first, none skipped, none empty.
  const headings = all('h1, h2, h3, h4, h5, h6').filter(shown);
  if (headings.filter((h) => h.tagName === 'H1').length !== 1) say('heading', null, headings.filter((h) => h.tagName === 'H1').length + ' headings of level 1');
  let level = 0;
  for (const h of headings) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) say('heading', h, 'level ' + now + ' follows ' + level);
    if (!h.textContent.trim()) say('heading', h, 'empty');
    level = now;
  }

  // Names.
  for (const e of all('input:not([type=hidden]), select, textarea')) {
    if (!nameOf(e)) say('label', e, 'a field without one');
    if (e.type === 'password' && !e.autocomplete) say('autocomplete', e, 'a password field that password managers cannot know');
  }
  for (const e of all('button, input[type=submit], input[type=button], a[href], summary')) if (!nameOf(e)) say('name', e, 'nothing says what it does');
  for (const e of all('a:not([href])')) say('name', e, 'a link that leads nowhere');
  for (const e of all('img:not([alt])')) say('alt', e, 'a picture without text');
  for (const e of all('svg')) {
    const hidden = e.closest('[aria-hidden=true]');
    if (!hidden && (e.getAttribute('role') !== 'img' || !nameOf(e))) say('alt', e, 'a drawing without role and name');
  }
  for (const e of all('fieldset')) if (!e.querySelector(':scope > legend')) say('legend', e, 'a group of fields without one');
  for (const e of all('iframe, object, embed')) say('foreign', e, 'something of elsewhere');

  // Ids and what refers to them.
  const ids = new Map();
  for (const e of all('[id]')) ids.set(e.id, (ids.get(e.id) || 0) + 1);
  for (const [id, n] of ids) if (n > 1) say('duplicate-id', null, id + ' ' + n + ' times');
  for (const e of all('[for], [aria-labelledby], [aria-describedby], [aria-controls]')) {
    for (const attribute of ['for', 'aria-labelledby', 'aria-describedby', 'aria-controls']) {
      if (byId(e, attribute).includes(null)) say('reference', e, attribute + '="' + e.getAttribute(attribute) + '" names nothing');
    }
  }
  for (const e of all('a[href^="#"]')) if (e.hash.length > 1 && !document.getElementById(decodeURIComponent(e.hash.slice(1)))) say('reference', e, 'leads to nothing on this page');

  // Structure.
  for (const t of all('table')) {
    if (!t.querySelector('th')) say('table', t, 'no heading cell');
    for (const h of all('th', t)) {
      if (!h.scope) say('table', h, 'a heading cell without scope');
      if (!h.textContent.trim()) say('table', h, 'an empty heading cell');
    }
  }
  for (const e of all('ul, ol')) for (const c of e.children) if (!c.matches('li, script, template')) say('list', c, 'not an item');
  for (const e of all('li')) if (!e.parentElement.matches('ul, ol, menu')) say('list', e, 'an item of nothing');
  for (const e of all('dl')) for (const c of e.children) if (!c.matches('dt, dd, div')) say('list', c, 'not a term');
  for (const e of all('time:not([datetime])')) say('time', e, 'no machine can read it');

  // What our own policy forbids, and what disturbs the order of Tab.
  for (const e of all('[style]')) say('inline', e, 'a style attribute');
  for (const e of all('style, script:not([src])')) if (e.type !== 'application/json') say('inline', e, 'a style or script in the page');
  for (const e of all('*')) for (const a of e.getAttributeNames()) if (a.startsWith('on')) say('inline', e, a);
  for (const e of all('[tabindex]')) if (e.tabIndex > 0) say('tab-order', e, 'tabindex ' + e.tabIndex);
  for (const e of all('form')) if (e.method === 'post' && !e.querySelector('input[name=csrf]')) say('csrf', e, 'a form without its token');

  // Room: no page is wider than the window, and a finger finds every target.
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    say('wide', null, root.scrollWidth + ' px in ' + root.clientWidth);
    for (const e of all('body *')) {
      if (shown(e) && !e.closest('.scroll') && e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest('svg')) say('wide', e, Math.round(e.getBoundingClientRect().right) + ' px');
    }
  }
  for (const e of all('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
    if (!shown(e) || getComputedStyle(e).display === 'inline' || e.matches('.skip-link')) continue;
    const boxes = [e, ...(e.labels || [])].map((x) => x.getBoundingClientRect());
    if (!boxes.some((b) => b.width >= 24 && b.height >= 24)) say('target', e, Math.round(boxes[0].width) + 'x' + Math.round(boxes[0].height) + ' px');
  }

  // Contrast, of every text that is shown.
  const colour = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return /^color\(srgb/.test(text) ? { r: n[0] * 255, g: n[1] * 255, b: n[2] * 255, a: n[3] ?? 1 } : { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1,
  });
  const light = (c) => {
    const part = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
  };
  const sheet = matchMedia('(prefers-color-scheme: dark)').matches ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
  const papers = new Map(), opacities = new Map();
  const paper = (e) => {
    if (!e) return sheet;
    if (!papers.has(e)) papers.set(e, over(colour(getComputedStyle(e).backgroundColor), paper(e.parentElement)));
    return papers.get(e);
  };
  const opacity = (e) => {
    if (!e) return 1;
    if (!opacities.has(e)) opacities.set(e, Number(getComputedStyle(e).opacity) * opacity(e.parentElement));
    return opacities.get(e);
  };
  const judge = (e, style) => {
    const under = paper(e.closest('svg') && e.namespaceURI.endsWith('svg') ? e.closest('svg') : e);
    const flat = colour(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const ink = { ...flat, a: flat.a * opacity(e) };
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say('contrast', e, ratio.toFixed(2));
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (judged.has(e) || !walker.currentNode.textContent.trim() || !shown(e) || e.matches('script, style, title, option, noscript') || e.closest('[disabled], .skip-link')) continue;
    judged.add(e);
    judge(e, getComputedStyle(e));
  }
  for (const e of all('input:not([type=hidden]), textarea, select')) if (shown(e) && !e.disabled && !['checkbox', 'radio'].includes(e.type)) judge(e, getComputedStyle(e));
  return wrong;
})()
