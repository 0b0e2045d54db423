'use strict'

// Runs @splitsoftware/splitio-browserjs, bundled, in headless Chromium. The
// page is one origin, strm another. It evaluates and tracks, then its visitor leaves with
// what was not sent yet in the queue: that goes out by beacons.

const fs = require('fs')
const http = require('http')
const path = require('path')
const { chromium } = require('playwright-core')
const { plan, flags, urls, user, report } = require('./plan')

const bundle = fs.readFileSync(path.join(path.dirname(require.resolve('@splitsoftware/splitio-browserjs/package.json')), '../../../bundle.js'))

function site () {
  const server = http.createServer((req, res) => {
    if (req.url === '/bundle.js') return res.writeHead(200, { 'Content-Type': 'text/javascript' }).end(bundle)
    const script = req.url === '/' ? '<script src="/bundle.js"></script>' : ''
    res.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><title>T</title>${script}`)
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

// visit runs in the page.
async function visit ({ key, mode, urls, user, flags, repeats, events }) {
  const heard = []
  const factory = window.splitio.SplitFactory({
    core: { authorizationKey: key, key: user },
    urls,
    sync: { impressionsMode: mode },
    impressionListener: { logImpression: ({ impression }) => heard.push(impression) },
  })
  const client = factory.client()
  await client.whenReady()
  for (let round = 0; round < repeats; round++) for (const flag of flags) client.getTreatment(flag)
  let tracked = 0
  for (let n = 0; n < events; n++) if (client.track('user', 'browse', n)) tracked++
  await new Promise((resolve) => setTimeout(resolve, 200)) // listeners are told later
  return { impressions: heard, events: tracked }
}

async function main () {
  const server = await site()
  const browser = await chromium.launch({ executablePath: plan.chromium, args: ['--no-sandbox'] })
  try {
    const page = await (await browser.newContext()).newPage()
    const answers = []
    page.context().on('console', (m) => process.stderr.write(`${m.type()}: ${m.text()}\n`))
    page.context().on('response', (r) => answers.push(`${r.status()} ${r.request().method()} ${new URL(r.url()).pathname}`))
    await page.goto(`http://shop.localhost:${server.address().port}/`)
    const told = await page.evaluate(visit, { key: plan.key, mode: plan.mode, urls: urls(plan.api), user: user(plan, 0), flags, repeats: plan.repeats, events: plan.events })
    await page.goto(`http://shop.localhost:${server.address().port}/away`)
    report({ ...told, answers, version: browser.version() })
  } finally {
    await browser.close()
    server.close()
  }
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
