'use strict'

// What every client program here has in common: the plan that the test hands
// over, the calls that it makes, the report that it prints.

// plan is {host, writeKey, name, mode, events}: mode "types" makes one call of
// each type, mode "load" makes `events` numbered track calls.
exports.plan = JSON.parse(process.argv[2])

const when = '2024-01-02T03:04:05.678Z'

// calls returns [type, message] pairs; a message has the names of the HTTP API.
exports.calls = ({ mode, name, events }) => {
  if (mode === 'load') {
    return Array.from({ length: events }, (_, n) => [
      'track',
      { userId: `user-${n % 7}`, event: 'Load', properties: { name, n } },
    ])
  }
  return [
    ['identify', { userId: 'u1', traits: { email: 'a@b.c', plan: 'pro', n: 0 } }],
    ['track', {
      userId: 'u1',
      event: 'Order Completed',
      properties: { revenue: 39.95, items: [1, 2], nested: { a: null }, text: 'één → 日本 " \\ </script>', n: 1 },
      timestamp: new Date(when),
      integrations: { All: true, Salesforce: false },
      context: { ip: '203.0.113.7' },
    }],
    ['page', { anonymousId: 'anon1', category: 'Docs', name: 'Home', properties: { n: 2 } }],
    ['screen', { anonymousId: 'anon1', name: 'Main', properties: { n: 3 } }],
    ['group', { userId: 'u1', groupId: 'g1', traits: { name: 'Initech', n: 4 } }],
    ['alias', { userId: 'u1', previousId: 'old1' }],
    ['track', { userId: 'u1', event: 'Own Id', messageId: `own-${name}`, properties: { n: 6 } }],
  ]
}

// report prints what the client told of each call, in the order of the calls.
exports.report = (events, extra = {}) => {
  process.stdout.write(JSON.stringify({ events, ...extra }) + '\n')
}
