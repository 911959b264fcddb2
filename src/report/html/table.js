'use strict';
// The table of records. Values are untrusted: they reach the page through textContent only.
(() => {
  const PAGE = 50;
  const find = id => document.getElementById(id);
  const table = find('records');
  const heads = Array.from(table.tHead.rows[0].cells);
  const places = heads.map(head => Number(head.dataset.at)); // of the cells, as they are shown
  const columns = []; // the names, by the places of the cells
  heads.forEach((head, index) => { columns[places[index]] = head.dataset.column; });
  const OUTCOME = columns.indexOf('outcome');
  const LINE = columns.indexOf('line');
  const leftOut = Number(find('status').dataset.leftOut);
  const rows = [];
  const texts = []; // what is searched in each row
  let found = [];
  let page = 0;
  let order = { at: LINE, down: false };
  let loaded = false;

  const plain = text => text.normalize('NFKC').toLowerCase();
  const number = count => count.toLocaleString('en');
  // Controls and direction overrides are written out, as in the rest of the page.
  const visible = text => text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    c => '\\u{' + c.codePointAt(0).toString(16) + '}');

  // Numbers by their size, also those that are too long for a number; other texts by the alphabet.
  const texted = new Intl.Collator('en', { numeric: true });
  function compare(a, b) {
    const [left, right] = [rows[a][order.at], rows[b][order.at]];
    const [noLeft, noRight] = [left === null || left === '', right === null || right === ''];
    if (noLeft || noRight) return noLeft - noRight;
    const both = typeof left === 'number' && typeof right === 'number';
    const result = both ? left - right : texted.compare(String(left), String(right));
    return order.down ? -result : result;
  }

  // A test of one word of the search: column:value, column>number, or a text anywhere in the row.
  function test(word) {
    const [, column, sign, wanted] = /^(\w+)([:>])(.*)$/.exec(word) || [];
    const at = columns.indexOf(column);
    if (at >= 0 && sign === ':') return index => plain(String(rows[index][at] ?? '')) === wanted;
    if (at >= 0) return index => rows[index][at] !== null && Number(rows[index][at]) > Number(wanted);
    return index => texts[index].includes(word);
  }

  function search() {
    const words = (plain(find('q').value).match(/(?:[^\s"]|"[^"]*"?)+/g) || []).map(word => word.replaceAll('"', ''));
    const tests = words.map(test);
    const outcome = find('outcome').value;
    if (outcome) tests.unshift(index => rows[index][OUTCOME] === outcome);
    found = [];
    for (let index = 0; index < rows.length; index++) {
      if (tests.every(passes => passes(index))) found.push(index);
    }
    // They come in the order of the list.
    if (order.at !== LINE || order.down) found.sort(compare);
    show(0);
  }

  function cell(value, at) {
    const td = document.createElement('td');
    td.dataset.column = columns[at];
    const inner = document.createElement(at === OUTCOME ? 'span' : 'bdi');
    if (at === OUTCOME) inner.className = 'outcome ' + value;
    inner.textContent = value === null ? '' : visible(String(value));
    td.append(inner);
    return td;
  }

  function show(wanted) {
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    page = Math.min(Math.max(0, wanted), last);
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    table.tBodies[0].replaceChildren(...shown.map(index => {
      const tr = document.createElement('tr');
      tr.append(...places.map(at => cell(rows[index][at], at)));
      return tr;
    }));
    const from = page * PAGE + 1;
    let status = found.length
      ? `Rows ${number(from)} to ${number(from + shown.length - 1)} of ${number(found.length)} found`
      : 'No row found';
    status += `, of ${number(rows.length)} in this table.`;
    if (leftOut) status += ` ${number(leftOut)} more are only in the CSV report.`;
    if (!loaded) status = `Reading: ${number(rows.length)} rows so far …`;
    find('status').textContent = status;
    find('page').textContent = `Page ${number(page + 1)} of ${number(last + 1)}`;
    find('pages').hidden = last === 0;
    for (const button of find('pages').querySelectorAll('button')) {
      const back = button.dataset.go === 'first' || button.dataset.go === 'previous';
      button.disabled = back ? page === 0 : page === last;
    }
  }

  // Search, outcome and order stand in the address, so that a finding can be passed on.
  function remember() {
    const query = new URLSearchParams();
    if (find('q').value) query.set('q', find('q').value);
    if (find('outcome').value) query.set('outcome', find('outcome').value);
    if (order.at !== LINE || order.down) query.set('sort', (order.down ? '-' : '') + columns[order.at]);
    history.replaceState(null, '', query.size ? '#' + query : location.pathname);
  }

  function recall() {
    const query = new URLSearchParams(location.hash.slice(1));
    if (!['q', 'outcome', 'sort'].some(name => query.has(name))) return;
    find('q').value = query.get('q') || '';
    find('outcome').value = query.get('outcome') || '';
    const wanted = query.get('sort') || 'line';
    const at = columns.indexOf(wanted.replace(/^-/, ''));
    sortBy(at < 0 ? { at: LINE, down: false } : { at, down: wanted.startsWith('-') });
    if (loaded) search();
    find('rows').scrollIntoView();
  }

  function sortBy(wanted) {
    order = wanted;
    heads.forEach((head, index) => {
      if (places[index] !== order.at) head.removeAttribute('aria-sort');
      else head.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
    });
  }

  function changed() {
    remember();
    search();
  }

  let timer;
  find('q').addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(changed, 150);
  });
  find('outcome').addEventListener('change', changed);
  find('search').addEventListener('submit', event => event.preventDefault());
  find('clear').addEventListener('click', () => {
    find('search').reset();
    changed();
  });
  heads.forEach((head, index) => head.querySelector('button').addEventListener('click', () => {
    const at = places[index];
    sortBy({ at, down: at === order.at && !order.down });
    changed();
  }));
  find('pages').addEventListener('click', event => {
    const go = { first: 0, previous: page - 1, next: page + 1, last: Infinity }[event.target.dataset.go];
    if (go !== undefined) show(go);
  });
  addEventListener('hashchange', recall);

  // One block at a time, so that the page stays alive while a long list is read.
  (async () => {
    for (const block of document.querySelectorAll('script.records')) {
      for (const row of JSON.parse(block.textContent)) {
        rows.push(row);
        texts.push(plain(row.join('\n')));
      }
      block.remove();
      if (rows.length <= 5000) search();
      show(0);
      await new Promise(resolve => setTimeout(resolve));
    }
    loaded = true;
    find('search').hidden = false;
    recall();
    search();
  })();
})();
