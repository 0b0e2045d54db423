'use strict'

// Runs @segment/analytics-next and @segment/snippet in headless Chromium. The
// shop is one origin, the collector another. The plan is a list of visits, each
// with a browser profile of its own:
//
//   name, kind          the page's path, and what is done there: see kinds
//   collector, writeKey where to send to
//   events              how many, for kind load
//   batching            the delivery strategy, with batches of size
//   metrics             have the SDK send its metrics
//   held                where the proxy tells how many answers it holds back
//
// What a page believes delivered is what Chromium got a 2xx for. The pages'
// console goes to standard error.

const fs = require('fs')
const http = require('http')
const path = require('path')
const snippet = require('@segment/snippet')
const { chromium } = require('playwright-core')
const { plan, report } = require('./calls')

const sdk = path.join(path.dirname(require.resolve('@segment/analytics-next/package.json')), 'dist', 'umd')
const patience = 90000 // ms, for one visit

// npmPage loads the SDK as a bundled page does: the site's own script, with
// only the CDN's address changed. The delivery strategy is the site's choice.
function npmPage (visit) {
  const options = visit.batching
    ? { integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: visit.size ?? 5, timeout: 400 } } } } }
    : {}
  const metrics = visit.metrics
    ? `options.updateCDNSettings = (s) => ({ ...s, metrics: { sampleRate: 1, flushTimer: 200, host: ${JSON.stringify(new URL(visit.collector).host + '/v1')} } })`
    : ''
  return `<!doctype html><title>T</title><script src="/sdk/index.js"></script><script>
    const options = ${JSON.stringify(options)}
    ${metrics}
    window.analytics = AnalyticsNext.AnalyticsBrowser.load(
      { writeKey: ${JSON.stringify(visit.writeKey)}, cdnURL: ${JSON.stringify(visit.collector)} }, options)
    window.analytics.catch((err) => { window.rejected = String(err) })
  </script>`
}

// snippetPage is the vendor's snippet as its own template renders it, with
// another CDN host and nothing else changed.
function snippetPage (visit) {
  const text = snippet.min({ apiKey: visit.writeKey, host: new URL(visit.collector).host })
  return `<!doctype html><html><head><title>T</title><script>${text}</script></head><body>shop</body></html>`
}

function shop (visits) {
  const server = http.createServer((req, res) => {
    const url = new URL(req.url, 'http://shop')
    const send = (status, type, body) => res.writeHead(status, { 'Content-Type': type }).end(body)
    if (url.pathname.startsWith('/sdk/')) {
      const file = path.join(sdk, path.basename(url.pathname))
      return fs.existsSync(file) ? send(200, 'text/javascript', fs.readFileSync(file)) : send(404, 'text/plain', '')
    }
    const visit = visits.find((v) => url.pathname === `/${v.name}`)
    if (!visit) return send(200, 'text/html', '<!doctype html><title>away</title>away')
    send(200, 'text/html', visit.kind === 'snippet' ? snippetPage(visit) : npmPage(visit))
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

// call makes calls in the page, all at once, and returns their message ids.
function call (page, calls) {
  return page.evaluate((list) => {
    window.failed ??= {}
    if (!window.watching) {
      window.watching = true
      window.analytics.on('error', (e) => {
        if (e.code === 'delivery_failure') window.failed[e.ctx.event.messageId] = String(e.reason)
      })
    }
    return Promise.all(list.map(async ([type, ...args]) => {
      const ctx = await window.analytics[type](...args)
      return { type, messageId: ctx.event.messageId }
    }))
  }, calls)
}

const types = (visit) => [
  ['identify', 'u1', { email: 'a@b.c', plan: 'pro', n: 0 }],
  ['track', 'Order Completed', { revenue: 39.95, items: [1, 2], nested: { a: null }, text: 'één → 日本 " \\ </script>', n: 1 },
    { timestamp: '2024-01-02T03:04:05.678Z', integrations: { Salesforce: false }, context: { ip: '203.0.113.7' } }],
  ['page', 'Docs', 'Home', { n: 2 }],
  ['screen', '', 'Main', { n: 3 }],
  ['group', 'g1', { name: 'Initech', n: 4 }],
  ['alias', 'u1', 'old1'],
  ['track', 'Own Id', { n: 6 }, { messageId: `own-${visit.name}` }],
]
const load = (visit, from, to) => Array.from({ length: to - from }, (_, i) => ['track', 'Load', { name: visit.name, n: from + i }])

// visits by kind; each gets a page and returns its events.
const kinds = {
  async types (visit, page, settled) {
    const events = await call(page, types(visit))
    await settled(events)
    return events
  },

  async load (visit, page, settled) {
    const events = []
    for (let n = 0; n < visit.events; n += 10) { // ten at a time, as a page has them
      events.push(...await call(page, load(visit, n, Math.min(n + 10, visit.events))))
      await settled(events)
    }
    return events
  },

  async snippet (visit, page, settled) {
    await page.waitForFunction(() => window.analytics.initialized)
    const events = await call(page, [['identify', 'u1', { n: 0 }], ['track', 'Order Completed', { revenue: 39.95, n: 1 }]])
    await settled(events)
    return events
  },

  // The settings are refused: load rejects, and nothing may be sent.
  async unknown (visit, page) {
    await page.waitForFunction(() => window.rejected)
    await page.evaluate(() => { window.analytics.track('Lost').catch(() => {}) })
    await page.waitForTimeout(1000)
    return []
  },

  // The person leaves while events wait: those of the batching dispatcher go
  // out as the page ends, those of the standard one stay in local storage and
  // are sent by the next page, though their first try has arrived: the proxy
  // holds the answers, and tells at visit.held how many.
  async leave (visit, page, settled) {
    const first = await call(page, load(visit, 0, 5)) // the preflight is answered by now
    await settled(first)
    const rest = await page.evaluate((list) => {
      window.ids = []
      window.analytics.on('dispatch_start', (ctx) => window.ids.push({ type: 'track', messageId: ctx.event.messageId }))
      for (const [type, ...args] of list) window.analytics[type](...args)
      return new Promise((resolve) => {
        const look = () => window.ids.length === list.length ? resolve(window.ids) : setTimeout(look, 1)
        look()
      })
    }, load(visit, 5, 8))
    for (const end = Date.now() + patience; !visit.batching && Number(await (await fetch(visit.held)).text()) < rest.length;) {
      if (Date.now() > end) throw new Error('the calls of a page that ends have not arrived')
      await page.waitForTimeout(5)
    }
    await page.goto(new URL('/away', page.url()).href)
    if (!visit.batching) {
      await page.goto(new URL(`/${visit.name}`, page.url()).href)
      await settled(rest)
    }
    return [...first, ...rest]
  },
}

async function run (browser, visit, base) {
  const context = await browser.newContext()
  const got = { delivered: {}, failed: {}, hosts: {}, answers: [] }
  context.on('console', (m) => process.stderr.write(`${visit.name}: ${m.type()}: ${m.text()}\n`))
  context.on('weberror', (e) => process.stderr.write(`${visit.name}: ${e.error()}\n`))
  context.on('request', (r) => { got.hosts[new URL(r.url()).host] = true })
  context.on('response', (r) => {
    const body = r.request().method() === 'POST' ? r.request().postData() : null
    got.answers.push(`${r.status()} ${r.request().method()} ${new URL(r.url()).pathname}`)
    if (!r.ok() || !body) return
    const sent = JSON.parse(body)
    for (const e of sent.batch ?? [sent]) got.delivered[e.messageId] = true
  })
  const page = await context.newPage()
  page.setDefaultTimeout(patience)
  const settled = async (events) => {
    for (const end = Date.now() + patience; Date.now() < end;) {
      Object.assign(got.failed, await page.evaluate(() => window.failed))
      if (events.every((e) => got.delivered[e.messageId] || got.failed[e.messageId])) return
      await page.waitForTimeout(20)
    }
  }
  await page.goto(`${base}/${visit.name}?utm_source=news&utm_campaign=spring`)
  const events = await kinds[visit.kind](visit, page, settled)
  const rejected = await page.evaluate(() => window.rejected ?? '')
  await context.close()
  return {
    name: visit.name,
    rejected,
    hosts: Object.keys(got.hosts),
    answers: got.answers,
    events: events.map(({ type, messageId }, n) => ({
      n,
      type,
      messageId,
      outcome: got.delivered[messageId] ? 'delivered' : got.failed[messageId] ? 'failed' : 'unknown',
      reason: got.failed[messageId] ?? '',
    })),
  }
}

async function main () {
  const server = await shop(plan.visits)
  const base = `http://shop.localhost:${server.address().port}`
  const browser = await chromium.launch({ executablePath: plan.chromium, args: ['--no-sandbox', '--ignore-certificate-errors'] })
  try {
    const visits = await Promise.all(plan.visits.map((v) => run(browser, v, base)))
    report([], { version: browser.version(), shop: new URL(base).host, visits })
  } finally {
    await browser.close()
    server.close()
  }
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
