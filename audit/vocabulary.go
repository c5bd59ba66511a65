package audit

// vocabulary holds words that rows repeat: names of form fields, procedures, bases. In a sealed body a word of the
// vocabulary is its position, so that the fields of a whole form cost a byte or two each (A2: a body has no room for
// anything but names).
//
// Positions are part of the body format for ever: words are only ever appended. A word that is not here is written out
// in full, so a new form needs no change; the commitment is made over the words themselves and does not depend on this
// list.
var vocabulary = [...]string{
	// Fields of the forms.
	"applicant_birth_date", "applicant_ethnicity", "applicant_full_name", "applicant_id_issued_on",
	"applicant_id_number", "applicant_nationality", "applicant_personal_number", "applicant_phone",
	"applicant_place_of_birth", "applicant_relation", "applicant_residence", "applicant_sex", "bank_account",
	"bank_name", "beneficiary_birth_date", "beneficiary_full_name", "beneficiary_id_issued_on",
	"beneficiary_id_number", "beneficiary_personal_number", "beneficiary_phone", "beneficiary_residence",
	"benefit_kind", "birth_certificate_number", "birth_notice_number", "business_ban_information",
	"cancelled_residence", "card_form", "chassis_number", "child_birth_date", "child_ethnicity", "child_full_name",
	"child_hometown", "child_insurance_card", "child_nationality", "child_personal_number", "child_place_of_birth",
	"child_residence", "child_sex", "death_cause", "death_date", "death_extract_number", "death_notice_number",
	"death_place", "death_time", "deceased_birth_date", "deceased_ethnicity", "deceased_full_name",
	"deceased_last_residence", "deceased_nationality", "deceased_personal_number", "deceased_sex",
	"eligibility_group", "engine_number", "father_birth_date", "father_ethnicity", "father_full_name",
	"father_nationality", "father_or_mother_death_extract", "father_personal_number", "father_residence",
	"head_consent_reference", "health_certificate_reference", "household_head_name", "household_head_number",
	"husband_birth_date", "husband_ethnicity", "husband_full_name", "husband_id_issued_on", "husband_id_number",
	"husband_marital_status", "husband_nationality", "husband_personal_number", "husband_residence",
	"initial_facility", "marriage_agency", "marriage_certificate_number", "marriage_registered_on",
	"mother_birth_date", "mother_ethnicity", "mother_full_name", "mother_nationality", "mother_personal_number",
	"mother_residence", "new_household_head_number", "old_licence_agency", "old_licence_classes",
	"old_licence_issued_on", "old_licence_number", "owned_plate_number", "owner_full_name", "owner_id_issued_on",
	"owner_id_number", "owner_personal_number", "owner_phone", "owner_residence", "photo_reference", "purpose",
	"reason", "registration_tax_reference", "relation_to_deceased", "relation_to_head", "requested_residence",
	"residence_history", "school_choice", "social_insurance_number", "spouse_full_name", "vehicle_colour",
	"vehicle_make", "vehicle_model", "wife_birth_date", "wife_ethnicity", "wife_full_name", "wife_id_issued_on",
	"wife_id_number", "wife_marital_status", "wife_nationality", "wife_personal_number", "wife_residence",
	// Procedures.
	"birth_registration", "child_health_insurance_card", "child_identity_card", "child_social_allowance",
	"criminal_record_certificate", "death_registration", "driving_licence_exchange", "funeral_allowance",
	"funeral_cost_support", "kindergarten_enrolment", "marriage_registration", "passport_child",
	"permanent_residence_registration", "residence_cancellation", "vehicle_registration_first",
	// Bases.
	"consent", "statutory",
}

// positions returns the vocabulary the other way round.
func positions() map[string]uint64 {
	m := make(map[string]uint64, len(vocabulary))
	for i, w := range vocabulary {
		m[w] = uint64(i)
	}
	return m
}
