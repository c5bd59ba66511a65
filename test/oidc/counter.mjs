// What an office adds to a request for facts: the officer who asks, and the request itself.
import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT } from 'jose'
import * as oidc from 'openid-client'
import { now } from './messages.mjs'
import { agency, bound, issuer } from './world.mjs'

export const field = 'applicant_full_name'

// office is an agency whose library names an officer beside each request.
export async function office(organisation, scope = 'openid offline_access') {
  const party = { ...(await agency(organisation)), scope }
  party.officer = (claims = {}) => new SignJWT({
    iss: party.id, sub: 'ht-1', name: 'PHẠM VĂN GIẢ', post: 'Hiệu trưởng', organisation, unit: 'van-phong', aud: issuer, jti: randomUUID(), iat: now(),
    exp: now() + 120, ...claims,
  }).setProtectedHeader({ alg: 'ES256', typ: 'vidan-officer+jwt', kid: party.jwk.kid }).sign(party.key)
  party.config[oidc.customFetch] = async (url, options) => {
    const headers = new Headers(options.headers)
    headers.set('officer-assertion', await party.officer())
    return fetch(url, { ...options, headers })
  }
  return party
}

// details is an honest object of type vidan_procedure.
export const details = (organisation, extra = {}) => ({
  type: 'vidan_procedure', organisation, procedure: 'kindergarten_enrolment', dossier_code: `RAR-${randomUUID().slice(0, 8)}`, roles: ['applicant'],
  fields: [field], purpose: 'enrolment', ...extra,
})

// machine is the office by itself, with a token for requests and prefill.
export async function machine(party) {
  const hold = await bound(party)
  const { access_token: token } = await oidc.clientCredentialsGrant(party.config, { scope: 'consent prefill' }, hold)
  return async (path, body) => {
    const headers = new Headers({ 'content-type': 'application/json', 'idempotency-key': randomUUID(), 'officer-assertion': await party.officer() })
    const answer = await oidc.fetchProtectedResource(party.config, token, new URL(issuer + path), body ? 'POST' : 'GET', body && JSON.stringify(body), headers, hold)
    return { status: answer.status, body: await answer.json() }
  }
}

// hint is what a citizen's phone shows at a counter, once, for one organisation.
export async function hint(citizen, organisation, claims = {}) {
  const key = await importJWK(citizen.device_jwk, 'ES256')
  return new SignJWT({ sub: citizen.device_jwk.kid, aud: issuer, organisation, jti: randomUUID(), iat: now(), exp: now() + 120, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'vidan-hint+jwt', kid: citizen.device_jwk.kid }).sign(key)
}
