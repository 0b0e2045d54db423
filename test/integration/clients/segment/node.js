'use strict'

// Runs @segment/analytics-node. Outcomes are those of its callbacks.

const { Analytics } = require('@segment/analytics-node')
const { plan, calls, report } = require('./calls')

async function main () {
  const client = new Analytics({
    writeKey: plan.writeKey,
    host: plan.host,
    ...(plan.mode === 'load' ? { flushAt: 5, flushInterval: 200, maxRetries: 5 } : {}),
  })
  client.on('error', () => {}) // the callbacks tell the same
  const outcomes = calls(plan).map(([type, message], n) => new Promise((resolve) => {
    client[type](message, (err, ctx) => resolve({
      n,
      type,
      messageId: ctx.event.messageId,
      outcome: err ? 'failed' : 'delivered',
      reason: err ? String(err.message ?? err) : '',
    }))
  }))
  await client.closeAndFlush({ timeout: 120000 })
  report(await Promise.all(outcomes))
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
