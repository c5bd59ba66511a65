// Messages made by hand with jose, for what no honest client would send. Each maker makes the honest message unless told otherwise, so that a
// refusal always stands beside its accepted twin, one change apart.
import { createHash, randomUUID } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import { issuer } from './world.mjs'

export const now = () => Math.floor(Date.now() / 1000)

export const publicJWK = async (pair) => {
  const { kty, crv, x, y } = await exportJWK(pair.publicKey)
  return { kty, crv, x, y }
}

export const tokenHash = (token) => createHash('sha256').update(token).digest('base64url')

const segment = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

// unsigned is a message of alg none; jose makes none with further headers.
export const unsigned = (header, claims) => `${segment({ ...header, alg: 'none' })}.${segment(claims)}.`

// keyed is a message of alg HS256 whose secret is the text given: a public key, for whoever confuses the two.
export const keyed = (header, claims, secret) => new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(new TextEncoder().encode(secret))

// proof makes a DPoP proof (RFC 9449 §4.2). A claim or header given as undefined is left out.
export async function proof(pair, htm, path, claims = {}, header = {}) {
  const payload = { jti: randomUUID(), htm, htu: issuer + path, iat: now(), ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await publicJWK(pair), ...header }).sign(pair.privateKey)
}

// assertion makes a client assertion (RFC 7523 §3).
export async function assertion(party, claims = {}, header = {}, key = party.key) {
  const payload = { iss: party.id, sub: party.id, aud: issuer, jti: randomUUID(), iat: now(), exp: now() + 60, ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: party.jwk.kid, ...header }).sign(key)
}

export const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

// credentials is the body of an honest client_credentials request.
export async function credentials(party, scope, signed) {
  return new URLSearchParams({
    grant_type: 'client_credentials', scope, client_id: party.id, client_assertion_type: jwtBearer, client_assertion: signed ?? (await assertion(party)),
  })
}

// post sends a form with the DPoP headers given, in that order, and returns status, OAuth error and headers.
export async function post(path, form, ...proofs) {
  const headers = new Headers()
  for (const p of proofs) headers.append('dpop', p)
  const answer = await fetch(issuer + path, { method: 'POST', body: form, headers })
  const text = await answer.text()
  let body
  try {
    body = JSON.parse(text)
  } catch {
    body = { text }
  }
  return { status: answer.status, error: body.error, body, headers: answer.headers }
}
