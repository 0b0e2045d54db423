'use strict'

// Runs the legacy analytics-node. Outcomes are those of its callbacks, which
// get the whole request and are called in the order of its batch.

const Analytics = require('analytics-node')
const { plan, calls, report } = require('./calls')

async function main () {
  const client = new Analytics(plan.writeKey, {
    host: plan.host,
    errorHandler: () => {}, // the callbacks tell the same
    ...(plan.mode === 'load' ? { flushAt: 5, flushInterval: 200 } : {}),
  })
  const outcomes = calls(plan).map(([type, message], n) => {
    const own = { ...message, messageId: message.messageId ?? `legacy-${plan.name}-${n}` }
    return new Promise((resolve) => {
      client[type](own, (err) => resolve({
        n,
        type,
        messageId: own.messageId,
        outcome: err ? 'failed' : 'delivered',
        reason: err ? String(err.message ?? err) : '',
      }))
    })
  })
  await client.flush()
  report(await Promise.all(outcomes))
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
