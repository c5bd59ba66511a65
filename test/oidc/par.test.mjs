// Pushed authorization requests (RFC 9126, FAPI 2.0 Security Profile §5.3.2.2, RFC 9449 §10.1). That a request_uri ends after 300 seconds is shown in
// Go (package auth): the clock of tokens and requests is the real one and cannot be moved from outside, not even in a sandbox.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { Browser, signIn } from './browser.mjs'
import { assertion, jwtBearer, post, proof } from './messages.mjs'
import { faulty, request, untrusted } from './requests.mjs'
import { agency, app, ask, authorized, bound, citizen, fails, issuer, level1, level2, refused, register, signedIn } from './world.mjs'

const path = '/oauth/par'
let portal, other, hold

before(async () => {
  portal = await agency('bhxh-hai-phong')
  other = await agency('mam-non-hoa-mai')
  hold = await bound(portal)
})

// push sends parameters as the party, with its assertion, and with proofs if given.
async function push(party, params, ...proofs) {
  const form = new URLSearchParams(params)
  if (party.key) {
    form.set('client_assertion_type', jwtBearer)
    form.set('client_assertion', await assertion(party))
  }
  return post(path, form, ...proofs)
}

const pushed = async (party, extra) => {
  const { params, verifier } = await request(party, hold, extra)
  const answer = await push(party, params)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return { uri: answer.body.request_uri, verifier, params }
}

const at = (client, uri) => `${issuer}/oauth/authorize?${new URLSearchParams({ client_id: client, request_uri: uri })}`

async function opens(client, uri) {
  const browser = new Browser(issuer)
  const { left } = await browser.get(at(client, uri))
  return { left, form: !left && browser.has('passphrase'), browser, status: browser.page?.status }
}

test('the library pushes, and the browser carries two parameters only', async () => {
  const { url } = await ask(portal, hold)
  assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])
  const metadata = portal.config.serverMetadata()
  assert.equal(metadata.pushed_authorization_request_endpoint, issuer + path)
})

test('the answer is 201, lives between 5 and 600 seconds, cannot be guessed, and is kept nowhere', async () => {
  const answers = []
  for (let i = 0; i < 2; i++) answers.push(await push(portal, (await request(portal, hold)).params))
  for (const a of answers) {
    assert.equal(a.status, 201)
    assert.match(a.body.request_uri, /^urn:ietf:params:oauth:request_uri:[\w-]{22,}$/)
    assert.ok(a.body.expires_in >= 5 && a.body.expires_in < 600)
    assert.match(a.headers.get('cache-control'), /no-store/)
  }
  assert.notEqual(answers[0].body.request_uri, answers[1].body.request_uri)
})

test('only a POST', async () => assert.equal((await fetch(issuer + path)).status, 405))

test('the whole flow, with the ID token validated', async () => {
  const { tokens } = await signedIn(portal, hold, citizen('sau'))
  assert.equal(tokens.claims().acr, level2)
})

// Without client_id the assertion says whose request it is (RFC 7521 §4.2): that is no fault here.
const refusedAtOnce = Object.entries(untrusted).filter(([name]) => name !== 'without a client')

for (const [name, spoil] of refusedAtOnce) {
  test(`pushed ${name}: refused at once, nothing to open`, async () => {
    const { params } = await request(portal, hold)
    spoil(params)
    const answer = await push(portal, params)
    assert.ok(['invalid_request', 'invalid_client'].includes(answer.error), JSON.stringify(answer.body))
    assert.ok(answer.status === 400 || answer.status === 401)
    assert.equal(answer.body.request_uri, undefined)
    await pushed(portal)
  })
}

for (const [name, [spoil, code]] of Object.entries(faulty)) {
  test(`pushed ${name}: ${code}`, async () => {
    const { params } = await request(portal, hold)
    spoil(params)
    const answer = await push(portal, params)
    assert.deepEqual([answer.status, answer.error], [400, code], JSON.stringify(answer.body))
    await pushed(portal)
  })
}

test('a request_uri cannot be pushed', async () => {
  const { uri } = await pushed(portal)
  const { params } = await request(portal, hold)
  params.set('request_uri', uri)
  assert.equal((await push(portal, params)).error, 'invalid_request')
})

test('nobody pushes for another: no assertion, a foreign one, one that was used', async () => {
  const { params } = await request(portal, hold)
  assert.equal((await post(path, params)).error, 'invalid_client')
  assert.equal((await push({ ...portal, key: other.key }, params)).error, 'invalid_client')
  const once = await assertion(portal)
  const form = new URLSearchParams([...params, ['client_assertion_type', jwtBearer], ['client_assertion', once]])
  assert.equal((await post(path, form)).status, 201)
  assert.equal((await post(path, form)).error, 'invalid_client')
  const token = new URLSearchParams({ grant_type: 'client_credentials', scope: 'events', client_assertion_type: jwtBearer, client_assertion: once })
  assert.equal((await post('/oauth/token', token, await proof(hold.pair, 'POST', '/oauth/token'))).error, 'invalid_client') // nor elsewhere
})

test('an agency that does not push is told so at its redirect address', async () => {
  const { params } = await request(portal, hold)
  const browser = new Browser(issuer)
  const { left } = await browser.get(`${issuer}/oauth/authorize?${params}`)
  assert.equal(left.searchParams.get('error'), 'invalid_request')
  assert.equal(left.searchParams.get('iss'), issuer)
  assert.equal(left.searchParams.get('state'), params.get('state'))
})

test('a request_uri of another client opens nothing for us', async () => {
  const { uri } = await pushed(portal)
  const foreign = await opens(other.id, uri)
  assert.equal(foreign.left, undefined)
  assert.ok(!foreign.form && foreign.status === 400, `status ${foreign.status}`)
  assert.ok((await opens(portal.id, uri)).form)
})

test('nor for one that has the same redirect address and the same owner', async () => {
  const twin = await register('bhxh-hai-phong-2', portal.organisation, portal.redirect, 'openid')
  const { uri } = await pushed(portal)
  const foreign = await opens(twin.id, uri)
  assert.ok(!foreign.form && !foreign.left && foreign.status === 400)
  const own = await pushed(twin)
  assert.ok((await opens(twin.id, own.uri)).form)
  assert.ok((await opens(portal.id, uri)).form)
})

test('a request_uri that nobody gave out opens nothing', async () => {
  for (const uri of [`urn:ietf:params:oauth:request_uri:${oidc.randomNonce()}`, 'urn:ietf:params:oauth:request_uri:', 'https://evil.example/request.jwt']) {
    const found = await opens(portal.id, uri)
    assert.ok(!found.form && !found.left, uri)
  }
})

test('what stands beside a request_uri is not read', async () => {
  const { uri } = await pushed(portal, { acr_values: level1 })
  const url = new URL(at(portal.id, uri))
  url.searchParams.set('redirect_uri', 'https://evil.example/callback')
  url.searchParams.set('scope', 'everything')
  const left = await signIn(url, citizen('sau'), issuer)
  assert.ok(left.href.startsWith(`${portal.redirect}?`), left.href)
  assert.ok(left.searchParams.get('code'))
})

test('looking at the page uses nothing up; deciding does', async () => {
  const { uri } = await pushed(portal, { acr_values: level1 })
  assert.ok((await opens(portal.id, uri)).form)
  assert.ok((await opens(portal.id, uri)).form)
  const left = await signIn(at(portal.id, uri), citizen('sau'), issuer)
  assert.ok(left.searchParams.get('code'))
  const again = await opens(portal.id, uri)
  assert.ok(!again.form, 'the request_uri opened the page once more')
  assert.equal(again.left?.searchParams.get('code') ?? null, null)
})

test('two browsers with one request_uri: one gets a code', async () => {
  const { uri } = await pushed(portal, { acr_values: level1 })
  const browsers = [new Browser(issuer), new Browser(issuer)]
  for (const b of browsers) await b.get(at(portal.id, uri))
  const who = citizen('sau')
  const ends = await Promise.all(browsers.map((b) => b.submit({ personal_number: who.personal_number, passphrase: who.passphrase })))
  assert.equal(ends.filter((e) => e.left?.searchParams.get('code')).length, 1)
})

test('who goes back has decided too', async () => {
  const { uri } = await pushed(portal)
  const { browser } = await opens(portal.id, uri)
  const { left } = await browser.submit({ action: 'cancel' })
  assert.equal(left.searchParams.get('error'), 'access_denied')
  assert.ok(!(await opens(portal.id, uri)).form)
})

test('a proof at the endpoint binds the code to its key (RFC 9449 §10.1)', async () => {
  const { answer, checks } = await authorized(portal, hold, citizen('sau'), { acr_values: level1, dpop_jkt: undefined })
  const stranger = await bound(portal)
  await refused(oidc.authorizationCodeGrant(portal.config, answer, checks, undefined, stranger), 'invalid_grant')
  assert.ok((await oidc.authorizationCodeGrant(portal.config, answer, checks, undefined, hold)).id_token)
})

test('a proof and a dpop_jkt that name different keys are refused, the same key is not', async () => {
  const stranger = await bound(portal)
  const { params } = await request(portal, hold)
  assert.equal((await push(portal, params, await proof(stranger.pair, 'POST', path))).error, 'invalid_request')
  assert.equal((await push(portal, params, await proof(hold.pair, 'POST', path))).status, 201)
})

test('a proof at the endpoint is checked like any other', async () => {
  const { params } = await request(portal, hold)
  assert.equal((await push(portal, params, await proof(hold.pair, 'POST', '/oauth/token'))).error, 'invalid_dpop_proof')
  const once = await proof(hold.pair, 'POST', path)
  assert.equal((await push(portal, params, once)).status, 201)
  assert.equal((await push(portal, params, once)).error, 'invalid_dpop_proof')
})

test('a nonce of 64 characters comes back in the ID token, a longer one is judged at once', async () => {
  const nonce = 'n'.repeat(64)
  const asked = await ask(portal, hold, { nonce, acr_values: level1 })
  const answer = await signIn(asked.url, citizen('sau'), issuer)
  const tokens = await oidc.authorizationCodeGrant(portal.config, answer, { ...asked.checks, expectedNonce: nonce }, undefined, hold)
  assert.equal(tokens.claims().nonce, nonce)
  const { params } = await request(portal, hold)
  params.set('nonce', 'n'.repeat(4096))
  assert.equal((await push(portal, params)).error, 'invalid_request')
})

test('the app pushes as well, and proves its key', async () => {
  const wallet = await app()
  const mine = await bound(wallet)
  const url = await oidc.buildAuthorizationUrlWithPAR(wallet.config, Object.fromEntries((await request(wallet, mine)).params), mine)
  const browser = new Browser(issuer)
  await browser.get(url)
  assert.ok(browser.has('passphrase'))
  const { params } = await request(wallet, mine)
  assert.equal((await push(wallet, params)).error, 'invalid_dpop_proof')
})

test('the lower library reads the answer, and a refusal', async () => {
  const as = portal.config.serverMetadata()
  const client = { client_id: portal.id }
  const auth = oauth.PrivateKeyJwt({ key: portal.key, kid: portal.jwk.kid })
  const send = async (params) => oauth.processPushedAuthorizationResponse(as, client,
    await oauth.pushedAuthorizationRequest(as, client, auth, params, { DPoP: hold.DPoP, [oauth.allowInsecureRequests]: true }))
  const { params } = await request(portal, hold)
  assert.ok((await send(params)).request_uri)
  params.set('scope', 'everything')
  assert.equal((await fails(send(params))).error, 'invalid_scope')
})
