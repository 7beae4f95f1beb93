// A small HTTP server around @supabase/stripe-sync-engine: every POST is a webhook, answered when it is stored.
// node stripe_sync.mjs MODULES_DIR PORT DATABASE_URL WEBHOOK_SECRET

import http from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, port, databaseUrl, secret] = process.argv.slice(2)
const require = createRequire(join(modules, 'package.json'))
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')

await runMigrations({ databaseUrl, schema: 'stripe' })
const sync = new StripeSync({
  poolConfig: { connectionString: databaseUrl, max: 20, keepAlive: true },
  stripeSecretKey: 'sk_test_bench',
  stripeWebhookSecret: secret,
})

function answer(response, status, text) {
  const body = JSON.stringify(text)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

const server = http.createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', async () => {
    try {
      await sync.processWebhook(Buffer.concat(chunks), request.headers['stripe-signature'])
      answer(response, 200, { received: true })
    } catch (error) {
      if (!server.told) console.error(error)
      server.told = true
      answer(response, 500, { error: String(error.message) })
    }
  })
})
server.keepAliveTimeout = 60_000
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
