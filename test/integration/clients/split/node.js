'use strict'

// Runs @splitsoftware/splitio for Node.js in its default mode, against strm
// alone. What it evaluated is what its own impression listener heard.

const { SplitFactory } = require('@splitsoftware/splitio')
const { plan, flags, urls, user, evaluation, report } = require('./plan')

async function main () {
  const heard = []
  const factory = SplitFactory({
    core: { authorizationKey: plan.key },
    urls: urls(plan.api),
    sync: { impressionsMode: plan.mode },
    impressionListener: { logImpression: ({ impression }) => heard.push(impression) },
    startup: { readyTimeout: 30 },
    debug: 'ERROR',
  })
  const client = factory.client()
  await client.whenReady()
  for (let round = 0; round < plan.repeats; round++) {
    for (let n = 0; n < plan.users; n++) {
      for (const flag of flags) client.getTreatment(user(plan, n), flag, undefined, evaluation(n))
    }
  }
  let tracked = 0
  for (let n = 0; n < plan.events; n++) {
    if (client.track(user(plan, n), 'user', `page.load.${n % 3}`, n % 2 ? n / 4 : undefined, n % 5 ? undefined : { n, text: 'één → 日本 " \\' })) tracked++
  }
  await client.destroy()
  report({ impressions: heard, events: tracked, version: 'nodejs' })
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
