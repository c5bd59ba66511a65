// How a kindergarten's program and a citizen's app use the generated types. It is compiled, not run: a change of the API that breaks them fails here.
import type { components, operations, paths } from "./dist/vidan";

type Ask = components["schemas"]["AskBody"];
type Form = components["schemas"]["FilledForm"];
type Problem = components["schemas"]["Problem"];
type View = operations["get-request"]["responses"]["200"]["content"]["application/json"];
type Decision = operations["decide-request"]["requestBody"]["content"]["application/json"];
type Token = paths["/oauth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"];

export const ask: Ask = {
  organisation: "mam-non-hoa-mai",
  procedure: "kindergarten_enrolment",
  dossier_code: "MN-2026-0001",
  purpose: "enrolment",
  mode: "once",
  parties: [{ roles: ["child"], subject_ref: "from-a-receipt" }],
};

export const token: Token = {
  grant_type: "client_credentials",
  client_id: "mam-non-hoa-mai-client",
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: "signed",
  scope: "consent prefill",
};

// values lists what was filled, beside the paper it stands in.
export function values(form: Form): [string, unknown, string | undefined][] {
  return form.fields.map((f) => [f.name, f.value, f.source?.document_type]);
}

// decide allows what the person ticked and signs exactly that.
export function decide(view: View, ticked: string[], sign: (decision: object) => string): Decision {
  if (!view.to_sign || ticked.length === 0) {
    return { decision: "deny" };
  }
  const toSign = { ...view.to_sign, fields: [...ticked].sort() };
  return { decision: "allow", signature: sign(toSign) };
}

// explain is what a person reads when something did not work.
export function explain(problem: Problem): string {
  const faults = (problem.errors ?? []).map((e) => `${e.pointer}: ${e.code}`);
  return [problem.title, problem.next_step, ...faults].join("\n");
}
