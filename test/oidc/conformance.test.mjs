// Every test that docs/CONFORMANCE.md names exists.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'CONFORMANCE.md'), 'utf8')
const named = [...page.matchAll(/`([^`]+)`/g)].map(([, name]) => name)

function goTests(folder, found = new Set()) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') goTests(join(folder, entry.name), found)
    if (!entry.name.endsWith('_test.go')) continue
    for (const [, name] of readFileSync(join(folder, entry.name), 'utf8').matchAll(/^func ((?:Test|Fuzz)\w+)\(/gm)) found.add(name)
  }
  return found
}

test('the Go tests named on the page exist', () => {
  const wanted = named.filter((name) => /^(Test|Fuzz)[A-Z]\w*$/.test(name))
  assert.ok(wanted.length > 50)
  const found = goTests(root)
  assert.deepEqual(wanted.filter((name) => !found.has(name)), [])
})

test('the tests of outside clients named on the page exist', () => {
  const wanted = named.map((name) => /^([a-z]+): (.+)$/.exec(name)).filter(Boolean)
  assert.ok(wanted.length > 50)
  const missing = wanted.filter(([, file, title]) => {
    const path = join(import.meta.dirname, `${file}.test.mjs`)
    if (!existsSync(path)) return true
    const titles = [...readFileSync(path, 'utf8').matchAll(/\btest\((['`])(.*?)\1,/g)].map(([, , text]) => text)
    return !titles.some((text) => text.startsWith(title) || text.startsWith(title.split(' that ')[0]))
  })
  assert.deepEqual(missing.map(([whole]) => whole), [])
})
