// Authorization requests with one fault each. How the fault is told depends on the way they take (authorize.test.mjs, par.test.mjs).
import * as oidc from 'openid-client'
import { level2 } from './world.mjs'

// request is an honest authorization request.
export async function request(party, hold, extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const params = new URLSearchParams({
    response_type: 'code', client_id: party.id, redirect_uri: party.redirect, scope: party.scope, state: oidc.randomState(), acr_values: level2,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    dpop_jkt: await hold.DPoP.calculateThumbprint(), ...extra,
  })
  if (party.scope.includes('openid')) params.set('nonce', oidc.randomNonce())
  return { params, verifier }
}

const set = (name, value) => (p) => p.set(name, value)
const drop = (name) => (p) => p.delete(name)
const twice = (name) => (p) => p.append(name, p.get(name))

// untrusted: nobody may be sent anywhere.
export const untrusted = {
  'of an unknown client': set('client_id', 'nobody'),
  'without a client': drop('client_id'),
  'with two clients': twice('client_id'),
  'without a redirect address': drop('redirect_uri'),
  'with two redirect addresses': twice('redirect_uri'),
  'to another site': set('redirect_uri', 'https://evil.example/callback'),
  'to another path': (p) => p.set('redirect_uri', `${p.get('redirect_uri')}/x`),
  'to the address with a slash more': (p) => p.set('redirect_uri', `${p.get('redirect_uri')}/`),
  'to the address with a query more': (p) => p.set('redirect_uri', `${p.get('redirect_uri')}?x=1`),
  'to the address with a fragment': (p) => p.set('redirect_uri', `${p.get('redirect_uri')}#x`),
  'to the address in capitals': (p) => p.set('redirect_uri', p.get('redirect_uri').replace('callback', 'CALLBACK')),
  'to the address with somebody before the host': (p) => p.set('redirect_uri', p.get('redirect_uri').replace('//', '//x@')),
  'to a dotted path': (p) => p.set('redirect_uri', p.get('redirect_uri').replace('/callback', '/x/../callback')),
}

// faulty: the client is told the error.
export const faulty = {
  'without a response type': [drop('response_type'), 'invalid_request'],
  'for a token': [set('response_type', 'token'), 'unsupported_response_type'],
  'for a code and a token': [set('response_type', 'code token'), 'unsupported_response_type'],
  'for an ID token': [set('response_type', 'id_token'), 'unsupported_response_type'],
  'without PKCE': [(p) => ['code_challenge', 'code_challenge_method'].forEach((n) => p.delete(n)), 'invalid_request'],
  'with PKCE of unnamed method': [drop('code_challenge_method'), 'invalid_request'],
  'with plain PKCE': [set('code_challenge_method', 'plain'), 'invalid_request'],
  'with a short challenge': [set('code_challenge', 'abc'), 'invalid_request'],
  'with an unknown scope': [(p) => p.set('scope', `${p.get('scope')} everything`), 'invalid_scope'],
  'with a scope of machines': [(p) => p.set('scope', `${p.get('scope')} registrar`), 'invalid_scope'],
  'without scope': [drop('scope'), 'invalid_scope'],
  'with a level that does not exist': [set('acr_values', 'urn:vidan:level:9'), 'unmet_authentication_requirements'],
  'with a thumbprint that is none': [set('dpop_jkt', 'x'), 'invalid_request'],
  'with a request object': [set('request', 'e30.e30.'), 'request_not_supported'],
  'with two states': [twice('state'), 'invalid_request'],
  'with two scopes': [twice('scope'), 'invalid_request'],
  'with two challenges': [twice('code_challenge'), 'invalid_request'],
  'with a response mode that is not offered': [set('response_mode', 'fragment'), 'invalid_request'],
}
