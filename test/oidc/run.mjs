// Starts one sandbox on a free port with a data folder of its own, runs every *.test.mjs against it, stops it, and prints a plain summary.
// usage: node run.mjs --vidan=BINARY [FILE…]
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { run } from 'node:test'
import { freePort } from './port.mjs'

const here = import.meta.dirname
const began = Date.now()
const flag = process.argv.find((a) => a.startsWith('--vidan='))
if (!flag) {
  console.error('usage: node run.mjs --vidan=BINARY [FILE…]')
  process.exit(2)
}
const vidan = resolve(flag.slice('--vidan='.length))
const named = process.argv.slice(2).filter((a) => !a.startsWith('--'))
const files = named.length > 0 ? named.map((f) => resolve(f)) : readdirSync(here).filter((f) => f.endsWith('.test.mjs')).sort().map((f) => join(here, f))

const data = mkdtempSync(join(tmpdir(), 'vidan-oidc-'))
chmodSync(data, 0o711) // PostgreSQL runs as a lesser account and has to reach its own folder below
const log = join(data, 'server.log')

// The server's own settings only: a database or issuer of whoever runs this must not be touched.
function environment(port) {
  const kept = Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('VIDAN_') && (!name.startsWith('PG') || name === 'PG_BIN'))
  return { ...Object.fromEntries(kept), VIDAN_DATA: data, VIDAN_ADDR: `127.0.0.1:${port}` }
}

function start(env) {
  const server = spawn(vidan, ['serve', '--sandbox'], { env, stdio: ['ignore', 'pipe', openSync(log, 'w')] })
  const ended = new Promise((done) => server.once('close', done))
  const ready = new Promise((done, fail) => {
    const late = setTimeout(() => fail(new Error('the sandbox was not ready after 180 s')), 180_000)
    let said = ''
    server.stdout.on('data', (chunk) => {
      said += chunk
      if (!said.includes(' ready in ')) return
      clearTimeout(late)
      done()
    })
    server.once('error', fail)
    ended.then((code) => fail(new Error(`the server ended with ${code}:\n${readFileSync(log, 'utf8')}`)))
  })
  return { server, ready, ended }
}

// report prints one line per file and every failure whole, and returns the numbers.
function report(stream) {
  return new Promise((done, fail) => {
    const count = new Map()
    const failures = []
    const of = (file) => {
      if (!count.has(file)) count.set(file, { passed: 0, failed: 0, skipped: 0 })
      return count.get(file)
    }
    const leaf = (e) => e.details?.type !== 'suite' && e.name !== e.file && !files.includes(resolve(e.name))
    stream.on('test:pass', (e) => {
      if (!leaf(e)) return
      if (e.skip !== undefined || e.todo !== undefined) of(e.file).skipped++
      else of(e.file).passed++
    })
    stream.on('test:fail', (e) => {
      const error = e.details?.error
      if (error?.failureType === 'subtestsFailed') return
      of(e.file ?? e.name).failed++
      failures.push({ name: e.name, file: e.file ?? e.name, error: error?.cause ?? error })
    })
    stream.on('test:stderr', (e) => process.stderr.write(e.message))
    stream.once('error', fail)
    stream.once('end', () => done({ count, failures }))
    stream.resume()
  })
}

const port = await freePort()
const env = environment(port)
const { server, ready, ended } = start(env)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.kill('SIGTERM'))

let bad = true
try {
  await ready
  const started = Date.now()
  const contents = execFileSync(vidan, ['sandbox', '--json'], { env, stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  const world = join(data, 'world.json')
  writeFileSync(world, JSON.stringify({ vidan, env, sandbox: JSON.parse(contents) }), { mode: 0o600 })
  process.env.VIDAN_WORLD = world
  const { count, failures } = await report(run({ files, concurrency: 3, timeout: 240_000 }))
  let passed = 0
  for (const [file, c] of [...count].sort()) {
    passed += c.passed
    const skipped = c.skipped ? `, ${c.skipped} skipped` : ''
    console.log(`oidc: ${basename(file).padEnd(26)} ${String(c.passed).padStart(3)} passed${c.failed ? `, ${c.failed} FAILED` : ''}${skipped}`)
    if (c.skipped) failures.push({ name: 'a test was skipped', file, error: undefined })
  }
  for (const f of failures) {
    console.error(`\noidc: FAILED ${basename(f.file)}: ${f.name}`)
    console.error(f.error?.stack ?? f.error ?? '')
  }
  bad = failures.length > 0 || passed === 0 || count.size !== files.length
  const seconds = (ms) => (ms / 1000).toFixed(1)
  console.log(`oidc: ${passed} passed, ${failures.length} failed, ${count.size} of ${files.length} files; server ready after ${seconds(started - began)} s, ${seconds(Date.now() - began)} s in all`)
  if (bad) console.error(`oidc: the server's last lines:\n${readFileSync(log, 'utf8').split('\n').slice(-12).join('\n')}`)
} catch (error) {
  console.error(`oidc: ${error.stack ?? error}`)
} finally {
  server.kill('SIGTERM')
  await ended
  rmSync(data, { recursive: true, force: true })
}
process.exit(bad ? 1 : 0)
