package openapi

// The JSON of a filled form; see rendered.

func (f FilledForm) appendTo(t *jsonText) {
	t.open('{')
	t.text("disclosure_id", f.Disclosure)
	t.text("request_id", f.Request)
	t.text("procedure", f.Procedure)
	t.text("dossier_code", f.Dossier)
	t.moment("at", f.At)
	t.truth("repeated", f.Repeated)
	list(t, "fields", f.Fields, func(v *FilledField) { v.appendTo(t) })
	list(t, "missing", f.Missing, func(v *MissingField) {
		t.open('{')
		t.text("name", v.Name)
		t.text("reason", v.Reason)
		t.close('}')
	})
	list(t, "conflicts", f.Conflicts, func(v *FieldConflict) { v.appendTo(t) })
	t.text("signed", f.Signed)
	t.close('}')
}

func (f *FilledField) appendTo(t *jsonText) {
	t.open('{')
	t.text("name", f.Name)
	t.raw("value", f.Value)
	if len(f.Choices) > 0 {
		list(t, "choices", f.Choices, func(v *FieldChoice) {
			t.open('{')
			t.raw("value", v.Value)
			t.name("source")
			v.Source.appendTo(t)
			t.close('}')
		})
	}
	if f.Source != nil {
		t.name("source")
		f.Source.appendTo(t)
	}
	t.truth("editable", f.Editable)
	t.truth("proposal", f.Proposal)
	if f.Address != nil {
		t.name("address")
		f.Address.appendTo(t)
	}
	t.text("salt", f.Salt)
	t.close('}')
}

func (s *FieldSource) appendTo(t *jsonText) {
	t.open('{')
	t.text("document_type", s.DocumentType)
	t.text("document_id", s.Document)
	t.number("revision", s.Revision)
	t.text("issuer", s.Issuer)
	t.moment("issued_at", s.IssuedAt)
	t.text("pointer", s.Pointer)
	t.text("fact_of", s.FactOf)
	t.close('}')
}

func (a *FieldAddress) appendTo(t *jsonText) {
	t.open('{')
	t.text("state", a.State)
	t.name("issued")
	a.Issued.appendTo(t)
	if a.Present != nil {
		t.name("present")
		a.Present.appendTo(t)
	}
	if len(a.Successors) > 0 {
		list(t, "successors", a.Successors, func(v *AddressSuccessor) {
			t.open('{')
			t.text("province_code", v.ProvinceCode)
			t.text("province", v.Province)
			t.text("commune_code", v.CommuneCode)
			t.text("commune", v.Commune)
			t.text("transfer", v.Transfer)
			t.close('}')
		})
	}
	t.close('}')
}

func (a *PlainAddress) appendTo(t *jsonText) {
	t.open('{')
	t.text("text", a.Text)
	t.some("unit_system", a.UnitSystem)
	t.some("province_code", a.ProvinceCode)
	t.some("province", a.Province)
	t.some("district_code", a.DistrictCode)
	t.some("district", a.District)
	t.some("commune_code", a.CommuneCode)
	t.some("commune", a.Commune)
	t.some("street", a.Street)
	t.close('}')
}

func (c *FieldConflict) appendTo(t *jsonText) {
	t.open('{')
	t.text("rule", c.Rule)
	t.text("severity", c.Severity)
	t.text("message", c.Message)
	t.name("left")
	c.Left.appendTo(t)
	t.name("right")
	c.Right.appendTo(t)
	t.close('}')
}

func (s *ConflictSide) appendTo(t *jsonText) {
	t.open('{')
	t.text("field", s.Field)
	t.raw("value", s.Value)
	if s.Source != nil {
		t.name("source")
		s.Source.appendTo(t)
	}
	t.close('}')
}
