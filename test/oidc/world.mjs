// The running sandbox and its cast, as outside clients see them: each party is what its author would hold, a configured certified client.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { exportJWK, generateKeyPair, importJWK } from 'jose'
import * as oidc from 'openid-client'
import { signIn } from './browser.mjs'
import { freePort } from './port.mjs'

const world = JSON.parse(readFileSync(process.env.VIDAN_WORLD, 'utf8'))

export const sandbox = world.sandbox
export const issuer = sandbox.issuer
export const api = `${issuer}/v1`

// level2 and level1 are what a client asks for in acr_values and finds in acr.
export const level1 = 'urn:vidan:level:1'
export const level2 = 'urn:vidan:level:2'

// The sandbox speaks http on a loopback address: the only rule of the clients that is set aside.
const local = { execute: [oidc.allowInsecureRequests] }

// command runs a subcommand of the binary on this sandbox.
export const command = (...args) => promisify(execFile)(world.vidan, args, { env: world.env })

// replica starts a second process on the same database; it is known by the same issuer and reached at its own address.
export async function replica() {
  const address = `http://127.0.0.1:${await freePort()}`
  const env = { ...world.env, VIDAN_ISSUER: issuer, VIDAN_ADDR: address.slice('http://'.length) }
  const server = spawn(world.vidan, ['serve', '--sandbox'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((done) => server.once('close', done))
  await new Promise((done, fail) => {
    let said = ''
    server.stdout.on('data', (chunk) => {
      said += chunk
      if (said.includes(' ready in ')) done()
    })
    ended.then((code) => fail(new Error(`the second process ended with ${code}`)))
  })
  return { address, stop: () => (server.kill('SIGTERM'), ended) }
}

// citizen is somebody who can sign in. Test files run at once: each takes people of its own, so that a phone shows one sign-in.
export function citizen(id) {
  const found = sandbox.citizens.find((c) => c.id === id)
  assert.ok(found, `nobody called ${id} in the sandbox`)
  return found
}

// agency is the client of an organisation, with its key for private_key_jwt.
export async function agency(organisation) {
  const known = sandbox.clients.find((c) => c.organisation === organisation)
  assert.ok(known, `no client of ${organisation} in the sandbox`)
  const key = await importJWK(known.jwk, 'ES256')
  const auth = oidc.PrivateKeyJwt({ key, kid: known.jwk.kid })
  const config = await oidc.discovery(new URL(issuer), known.client_id, undefined, auth, local)
  return { id: known.client_id, organisation, key, jwk: known.jwk, auth, config, redirect: known.redirect_uris[0], scope: 'openid' }
}

// register adds a client to an organisation as an operator does, with a key of its own, and returns it as agency does.
export async function register(id, organisation, redirect, scopes, ...flags) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const kid = 'k1'
  await command('client', 'add', id, `--organisation=${organisation}`, `--name=${id}`, `--scopes=${scopes}`, `--redirect-uri=${redirect}`, ...flags)
  await command('client', 'key', id, file(`${id}.jwk`, { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }))
  const auth = oidc.PrivateKeyJwt({ key: privateKey, kid })
  return { id, organisation, key: privateKey, jwk: { kid }, auth, redirect, scope: 'openid' }
}

// file writes JSON beside the sandbox, for a command to read; it goes with the sandbox.
export function file(name, content) {
  const path = join(dirname(process.env.VIDAN_WORLD), name)
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 })
  return path
}

// configured is the certified client of a party, with further metadata that its author would know.
export const configured = (party, metadata) => oidc.discovery(new URL(issuer), party.id, metadata, party.auth, local)

// app is the citizens' app: a public client, bound to its key alone.
export async function app() {
  const known = sandbox.apps[0]
  const config = await oidc.discovery(new URL(issuer), known.client_id, undefined, oidc.None(), local)
  return { id: known.client_id, auth: oidc.None(), config, redirect: known.redirect_uris[0], scope: 'wallet' }
}

// bound draws a key and returns it with the library's maker of proofs.
export async function bound(party, options) {
  const pair = await oidc.randomDPoPKeyPair('ES256', { extractable: true })
  return { pair, DPoP: oidc.getDPoPHandle(party.config, pair, options) }
}

// ask begins a code flow: the URL for the browser, and what the client keeps to check the answer with.
export async function ask(party, hold, extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = party.scope.includes('openid') ? oidc.randomNonce() : undefined
  const sent = {
    redirect_uri: party.redirect, scope: party.scope, state, acr_values: level2, code_challenge_method: 'S256',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), dpop_jkt: await hold.DPoP.calculateThumbprint(),
    ...(nonce && { nonce }), ...extra,
  }
  for (const [name, value] of Object.entries(sent)) if (value === undefined) delete sent[name]
  const url = await oidc.buildAuthorizationUrlWithPAR(party.config, sent, hold)
  return { url, sent, verifier, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce } }
}

// authorized is a code flow up to the answer in the redirect address.
export async function authorized(party, hold, who, extra) {
  const asked = await ask(party, hold, extra)
  return { ...asked, answer: await signIn(asked.url, who, issuer) }
}

// signedIn is a whole code flow: tokens that the library has validated.
export async function signedIn(party, hold, who, extra) {
  const { answer, checks, sent } = await authorized(party, hold, who, extra)
  const tokens = await oidc.authorizationCodeGrant(party.config, answer, checks, undefined, hold)
  return { tokens, sent, answer, checks }
}

// call uses a token at a resource of the API with a proof by the library.
export const call = (party, hold, token, path, method = 'GET') =>
  oidc.fetchProtectedResource(party.config, token, new URL(issuer + path), method, undefined, undefined, hold)

// fails returns the error of a promise that must not be fulfilled.
export async function fails(promise, why = 'was accepted') {
  let value
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: `${why}: ${JSON.stringify(value)}` })
}

// refused checks that the server told the library an OAuth error. An unproven client may be answered 401 with a challenge, of which the library
// speaks before it reads the body (RFC 6749 §5.2, RFC 9110 §15.5.2), or 400.
export async function refused(promise, code) {
  const told = await fails(promise, `${code} was expected`)
  const error = told.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' ? { status: told.status, ...(await told.response.json()) } : told
  assert.equal(error.error, code, `${told.stack}\n${told.cause?.stack ?? ''}`)
  assert.ok(error.status === 400 || (code === 'invalid_client' && error.status === 401), `status ${error.status}`)
  assert.ok(!/[^\x20-\x21\x23-\x5b\x5d-\x7e]/.test(error.error_description ?? ''), 'description outside RFC 6749 §5.2')
  return error
}

// challenged checks that a resource answered with a challenge for DPoP (RFC 9449 §7.1) and, where given, its error.
export async function challenged(promise, status, error) {
  const told = await fails(promise, 'a challenge was expected')
  assert.equal(told.code, 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', told.stack)
  assert.equal(told.status ?? told.response?.status, status)
  const challenge = told.cause.find((c) => c.scheme === 'dpop')
  assert.ok(challenge, `no DPoP challenge among ${JSON.stringify(told.cause)}`)
  if (error !== undefined) assert.equal(challenge.parameters.error, error)
  return challenge
}
