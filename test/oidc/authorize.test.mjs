// Authorization requests that a browser brings by itself, each with one fault: they lead nowhere, or back to the client with an error
// (RFC 6749 §4.1.2.1, RFC 9207 §2, RFC 9700 §2.1, §4.11). What a client pushes first is in par.test.mjs.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Browser, signIn } from './browser.mjs'
import { faulty, request, untrusted } from './requests.mjs'
import { app, bound, citizen, issuer, level1 } from './world.mjs'

let wallet, hold

before(async () => {
  wallet = await app()
  hold = await bound(wallet)
})

const open = async (params) => {
  const browser = new Browser(issuer)
  return { browser, ...(await browser.get(`${issuer}/oauth/authorize?${params}`)) }
}

async function honest() {
  const { params } = await request(wallet, hold)
  const { browser, left } = await open(params)
  assert.equal(left, undefined, `sent to ${left}`)
  assert.ok(browser.has('passphrase'), browser.words())
}

for (const [name, spoil] of Object.entries(untrusted)) {
  test(`a request ${name}: a page, and nobody is sent anywhere`, async () => {
    const { params } = await request(wallet, hold)
    spoil(params)
    const { left, page } = await open(params)
    assert.equal(left, undefined, `sent to ${left}`)
    assert.equal(page.status, 400)
    assert.ok(!page.body.includes('name="passphrase"'))
    assert.ok(!page.body.includes('evil.example'), 'the page repeats what was sent')
    await honest()
  })
}

for (const [name, [spoil, code]] of Object.entries(faulty)) {
  test(`a request ${name}: the client is told ${code}`, async () => {
    const { params } = await request(wallet, hold)
    spoil(params)
    const { left } = await open(params)
    assert.ok(left, 'the browser was not sent back')
    assert.ok(left.href.startsWith(`${wallet.redirect}?`))
    assert.equal(left.searchParams.get('error'), code)
    assert.equal(left.searchParams.get('iss'), issuer)
    assert.equal(left.searchParams.get('code'), null)
    if (params.getAll('state').length === 1) assert.equal(left.searchParams.get('state'), params.get('state'))
    await honest()
  })
}

test('the app’s loopback address may have any port, and nothing else of its own (RFC 8252 §7.3)', async () => {
  const { params } = await request(wallet, hold, { acr_values: level1, redirect_uri: 'http://127.0.0.1:49152/callback' })
  const left = await signIn(`${issuer}/oauth/authorize?${params}`, citizen('le'), issuer)
  assert.ok(left.href.startsWith('http://127.0.0.1:49152/callback?code='))
  for (const other of ['http://localhost:49152/callback', 'http://127.0.0.2:49152/callback', 'https://127.0.0.1:49152/callback', 'http://127.0.0.1:49152/']) {
    const { left: sent, page } = await open((await request(wallet, hold, { redirect_uri: other })).params)
    assert.equal(sent, undefined, other)
    assert.equal(page.status, 400)
  }
})

test('the app cannot go without a key to bind its tokens to', async () => {
  const { params } = await request(wallet, hold)
  params.delete('dpop_jkt')
  assert.equal((await open(params)).left.searchParams.get('error'), 'invalid_request')
  await honest()
})

test('the sign-in page cannot be framed, keeps nothing, and sends no address on', async () => {
  const { params } = await request(wallet, hold)
  const { page } = await open(params)
  assert.match(page.headers.get('content-security-policy'), /frame-ancestors 'none'/)
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/)
  assert.equal(page.headers.get('cache-control'), 'no-store')
  assert.ok(['no-referrer', 'same-origin'].includes(page.headers.get('referrer-policy')))
})

test('a redirect after a form is a 303, so that nothing typed is sent on (RFC 9700 §4.12)', async () => {
  const { params } = await request(wallet, hold, { acr_values: level1 })
  const first = await fetch(`${issuer}/oauth/authorize?${params}`, { redirect: 'manual' })
  assert.equal(first.status, 303)
  const cookie = first.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ')
  const page = await (await fetch(`${issuer}/signin`, { headers: { cookie } })).text()
  const token = /name="token" value="([^"]+)"/.exec(page)[1]
  const who = citizen('le')
  const body = new URLSearchParams({ token, personal_number: who.personal_number, passphrase: who.passphrase })
  const done = await fetch(`${issuer}/signin`, { method: 'POST', body, headers: { cookie, origin: issuer }, redirect: 'manual' })
  assert.equal(done.status, 303)
})

test('a form from another site is not taken', async () => {
  const { params } = await request(wallet, hold, { acr_values: level1 })
  const first = await fetch(`${issuer}/oauth/authorize?${params}`, { redirect: 'manual' })
  const cookie = first.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ')
  const page = await (await fetch(`${issuer}/signin`, { headers: { cookie } })).text()
  const token = /name="token" value="([^"]+)"/.exec(page)[1]
  const post = (headers, fields) => fetch(`${issuer}/signin`, { method: 'POST', body: new URLSearchParams(fields), headers: { cookie, ...headers }, redirect: 'manual' })
  assert.equal((await post({ origin: 'https://evil.example' }, { token, action: 'cancel' })).status, 403)
  const stranger = await post({ origin: issuer }, { token: 'x', action: 'cancel' })
  assert.ok(!(stranger.headers.get('location') ?? '').includes('error='))
  const own = await post({ origin: issuer }, { token, action: 'cancel' })
  assert.match(own.headers.get('location'), /error=access_denied/)
})

test('no script of another site reads the authorization endpoint (FAPI 2.0 §5.2.3)', async () => {
  const { params } = await request(wallet, hold)
  const url = `${issuer}/oauth/authorize?${params}`
  for (const method of ['GET', 'OPTIONS']) {
    const answer = await fetch(url, { method, redirect: 'manual', headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' } })
    for (const [name] of answer.headers) assert.ok(!name.startsWith('access-control-'), name)
  }
  await honest()
})
