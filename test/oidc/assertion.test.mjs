// Client assertions that must not work (RFC 7523 §3, RFC 7521 §4.2, FAPI 2.0 Security Profile §5.3.2.1). Every row has its accepted twin.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { exportSPKI, generateKeyPair, importJWK } from 'jose'
import * as oidc from 'openid-client'
import { assertion, credentials, jwtBearer, keyed, now, post, proof, unsigned } from './messages.mjs'
import { agency, app, bound, issuer, refused } from './world.mjs'

const pathToken = '/oauth/token'
let insurance, kindergarten, hold

before(async () => {
  insurance = await agency('bhxh-hai-phong')
  kindergarten = await agency('mam-non-hoa-mai')
  hold = await bound(insurance)
})

const send = async (form) => post(pathToken, form, await proof(hold.pair, 'POST', pathToken))
const claims = (more = {}) => ({ iss: insurance.id, sub: insurance.id, aud: issuer, jti: crypto.randomUUID(), iat: now(), exp: now() + 60, ...more })
// unproven is the one answer to whoever did not prove to be the client (RFC 6749 §5.2); a 401 has a challenge (RFC 9110 §15.5.2).
function unproven(answer) {
  assert.equal(answer.error, 'invalid_client', JSON.stringify(answer.body))
  assert.ok(answer.status === 400 || (answer.status === 401 && answer.headers.get('www-authenticate')), `status ${answer.status}`)
}

const publicPart = ({ d, ...rest }) => rest

const spoilt = {
  'with the token endpoint as audience': () => assertion(insurance, { aud: issuer + pathToken }),
  'with a list of audiences': () => assertion(insurance, { aud: [issuer] }),
  'with the issuer among other audiences': () => assertion(insurance, { aud: [issuer, 'https://evil.example'] }),
  'for another server': () => assertion(insurance, { aud: 'https://evil.example' }),
  'without audience': () => assertion(insurance, { aud: undefined }),
  'that has expired': () => assertion(insurance, { iat: now() - 120, exp: now() - 61 }),
  'that never expires': () => assertion(insurance, { exp: undefined }),
  'that lives for an hour': () => assertion(insurance, { exp: now() + 3600 }),
  'that is not valid yet': () => assertion(insurance, { nbf: now() + 300 }),
  'from the future': () => assertion(insurance, { iat: now() + 300, exp: now() + 360 }),
  'without jti': () => assertion(insurance, { jti: undefined }),
  'of another client by our key': () => assertion(insurance, { iss: kindergarten.id, sub: kindergarten.id }),
  'of ours by another client’s key': () => assertion(insurance, {}, {}, kindergarten.key),
  'whose iss and sub differ': () => assertion(insurance, { sub: kindergarten.id }),
  'of a client nobody knows': () => assertion(insurance, { iss: 'nobody', sub: 'nobody' }),
  'with a kid nobody registered': () => assertion(insurance, {}, { kid: 'k9' }),
  'that brings its own key': async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    return assertion(insurance, {}, { jwk: publicPart({ ...insurance.jwk }) }, pair.privateKey)
  },
  'of the type of another message': () => assertion(insurance, {}, { typ: 'vidan-officer+jwt' }),
  'that is not signed': () => unsigned({ kid: insurance.jwk.kid }, claims()),
  'keyed with the public JWK as secret': () => keyed({ kid: insurance.jwk.kid }, claims(), JSON.stringify(publicPart(insurance.jwk))),
  'keyed with the public PEM as secret': async () =>
    keyed({ kid: insurance.jwk.kid }, claims(), await exportSPKI(await importJWK(publicPart(insurance.jwk), 'ES256', { extractable: true }))),
}

for (const [name, make] of Object.entries(spoilt)) {
  test(`an assertion ${name} is refused, the honest one is not`, async () => {
    const answer = await send(await credentials(insurance, 'events', await make()))
    unproven(answer)
    assert.equal((await send(await credentials(insurance, 'events'))).status, 200)
  })
}

test('an assertion works once; of eight at once one wins', async () => {
  const once = await assertion(insurance)
  assert.equal((await send(await credentials(insurance, 'events', once))).status, 200)
  assert.equal((await send(await credentials(insurance, 'events', once))).error, 'invalid_client')
  const raced = await assertion(insurance)
  const answers = await Promise.all(Array.from({ length: 8 }, async () => send(await credentials(insurance, 'events', raced))))
  assert.equal(answers.filter((a) => a.status === 200).length, 1)
  assert.ok(answers.filter((a) => a.status !== 200).every((a) => a.error === 'invalid_client'), JSON.stringify(answers.map((a) => a.body)))
})

test('a clock that is ahead: ten seconds are accepted, more than sixty are not (FAPI 2.0 §5.3.2.1)', async () => {
  for (const claim of ['iat', 'nbf']) {
    assert.equal((await send(await credentials(insurance, 'events', await assertion(insurance, { [claim]: now() + 9 })))).status, 200)
    unproven(await send(await credentials(insurance, 'events', await assertion(insurance, { [claim]: now() + 70 }))))
  }
})

test('two clients may choose the same jti', async () => {
  const jti = crypto.randomUUID()
  assert.equal((await send(await credentials(insurance, 'events', await assertion(insurance, { jti })))).status, 200)
  assert.equal((await send(await credentials(kindergarten, 'events', await assertion(kindergarten, { jti })))).status, 200)
})

for (const [name, change] of Object.entries({
  'without an assertion': (f) => f.delete('client_assertion'),
  'with another assertion type': (f) => f.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'),
  'with the client_id of another': (f) => f.set('client_id', kindergarten.id),
  'with a client_id alone': (f) => ['client_assertion', 'client_assertion_type'].forEach((n) => f.delete(n)),
})) {
  test(`a token request ${name} is refused`, async () => {
    const form = await credentials(insurance, 'events')
    change(form)
    const answer = await send(form)
    unproven(answer)
    assert.equal((await send(await credentials(insurance, 'events'))).status, 200)
  })
}

test('every parameter comes once', async () => {
  for (const name of ['grant_type', 'client_id', 'client_assertion', 'client_assertion_type', 'scope']) {
    const form = await credentials(insurance, 'events')
    form.append(name, form.get(name))
    const answer = await send(form)
    assert.deepEqual([answer.status, answer.error], [400, 'invalid_request'], name)
  }
  const unknown = await credentials(insurance, 'events')
  unknown.append('audience', 'x') // a parameter nobody knows is not read (RFC 6749 §3.2)
  assert.equal((await send(unknown)).status, 200)
})

test('no secret, no other method', async () => {
  const basic = await fetch(issuer + pathToken, {
    method: 'POST', body: await credentials(insurance, 'events'),
    headers: { authorization: `Basic ${btoa(`${insurance.id}:x`)}`, dpop: await proof(hold.pair, 'POST', pathToken) },
  })
  assert.equal(basic.status, 401)
  assert.equal((await basic.json()).error, 'invalid_client')
  const local = { execute: [oidc.allowInsecureRequests] }
  for (const method of [oidc.ClientSecretPost('x'), oidc.ClientSecretBasic('x'), oidc.ClientSecretJwt('a secret that nobody ever registered'), oidc.None()]) {
    const config = await oidc.discovery(new URL(issuer), insurance.id, undefined, method, local)
    await refused(oidc.clientCredentialsGrant(config, { scope: 'events' }, hold), 'invalid_client')
  }
})

test('the app cannot prove itself with a key it never registered', async () => {
  const wallet = await app()
  const form = await credentials(insurance, 'events', await assertion({ ...insurance, id: wallet.id }))
  form.set('client_id', wallet.id)
  assert.equal((await send(form)).error, 'invalid_client')
  assert.equal(form.get('client_assertion_type'), jwtBearer)
})
