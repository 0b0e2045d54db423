'use strict'

// What the JavaScript clients here have in common: the plan that the test hands
// over, the evaluations and events that it asks for, the report.

// plan is {key, api, mode, name, users, repeats, events, chromium}: `users` keys
// are each evaluated `repeats` times against every flag, and `events` events
// are tracked.
exports.plan = JSON.parse(process.argv[2])

exports.flags = ['checkout', 'search']

exports.urls = (api) => ({ sdk: api, events: api, auth: api, streaming: `${api}/streaming`, telemetry: api })

exports.user = (plan, n) => `${plan.name}-${n}`

// properties of every third user's evaluations, so that some have none.
exports.evaluation = (n) => (n % 3 === 0 ? { properties: { plan: 'pro', n, beta: n % 2 === 0, none: null } } : undefined)

exports.report = (value) => { process.stdout.write(JSON.stringify(value) + '\n') }
