/* $metadata (EDMX of OData version 2): the entities of odata_set.c, and what is only written. */
#include "cloud/keystore/odata.h"

static void add_type(struct buf *xml, const struct odata_set_row *set)
{
	buf_addf(xml, "<EntityType Name=\"%s\"><Key>", set->type);
	for (size_t i = 0; set->keys[i] != NULL; i++) {
		buf_addf(xml, "<PropertyRef Name=\"%s\"/>", set->keys[i]);
	}
	buf_add_str(xml, STR("</Key>"));
	for (const struct odata_property *p = set->properties; p->name != NULL; p++) {
		bool is_key = strcmp(p->name, set->keys[0]) == 0 ||
			      (set->keys[1] != NULL && strcmp(p->name, set->keys[1]) == 0);
		buf_addf(xml, "<Property Name=\"%s\" Type=\"%s\" Nullable=\"%s\"", p->name, p->type,
			 is_key ? "false" : "true");
		if (p->max != 0) {
			buf_addf(xml, " MaxLength=\"%d\"", p->max);
		}
		buf_add_str(xml, STR("/>"));
	}
	for (size_t i = 0; set->links[i] != NULL; i++) {
		buf_addf(xml,
			 "<NavigationProperty Name=\"%s\" "
			 "Relationship=\"com.sap.hci.api.%s_%s\" FromRole=\"%s\" ToRole=\"%s\"/>",
			 set->links[i], set->type, set->links[i], set->type, set->links[i]);
	}
	buf_add_str(xml, STR("</EntityType>"));
}

/* Types that are only written: uploads and requests. Texts unless said. */
static const struct request_type {
	const char *type, *set, *key;
	const char *properties; /* "Name:Edm.Type:MaxLength,…"; the type may be empty for text */
} request_types[] = {
	{"KeystoreResource", "KeystoreResources", "Name",
	 "Name::100,Resource:Edm.String:,Password::300,Aliases::2097152"},
	{"CertificateResource", "CertificateResources", "Hexalias",
	 "Hexalias::2000,Content:Edm.Binary:10240"},
	{"CertificateChainResource", "CertificateChainResources", "Hexalias",
	 "Hexalias::2000,Content:Edm.Binary:30720"},
	{"KeyPairResource", "KeyPairResources", "Hexalias",
	 "Hexalias::2000,Alias::250,Resource:Edm.String:,Password::500"},
	{"KeyPairGenerationRequest", "KeyPairGenerationRequests", "Hexalias",
	 "Hexalias::2000,Alias::250,KeyType::50,KeySize:Edm.Int32:,KeyAlgorithmParameter::256,"
	 "SignatureAlgorithm::256,CommonName::500,OrganizationUnit::500,Organization::500,"
	 "Locality::500,State::500,Country::2,Email::500,ValidNotBefore:Edm.DateTime:,"
	 "ValidNotAfter:Edm.DateTime:"},
	{"RSAKeyGenerationRequest", "RSAKeyGenerationRequests", "Hexalias",
	 "Hexalias::2000,Alias::250,RSAFile:Edm.String:10000,SignatureAlgorithm::256,"
	 "CommonName::500,OrganizationUnit::500,Organization::500,Locality::500,State::500,"
	 "Country::2,Email::500,ValidNotBefore:Edm.DateTime:,ValidNotAfter:Edm.DateTime:"},
	{"SSHKeyGenerationRequest", "SSHKeyGenerationRequests", "Hexalias",
	 "Hexalias::2000,Alias::250,SSHFile:Edm.String:10000,Password::500,SignatureAlgorithm::256,"
	 "CommonName::500,OrganizationUnit::500,Organization::500,Locality::500,State::500,"
	 "Country::2,Email::500,ValidNotBefore:Edm.DateTime:,ValidNotAfter:Edm.DateTime:"},
};
/* What an entry leads to as a file. */
static const char *const file_types[] = {"Certificate", "Sshkey", "ChainResource",
					 "SigningRequest"};

static void add_request_type(struct buf *xml, const struct request_type *t)
{
	struct str rest = str_of(t->properties), one;

	buf_addf(xml, "<EntityType Name=\"%s\"><Key><PropertyRef Name=\"%s\"/></Key>", t->type,
		 t->key);
	while (str_next(&rest, ',', &one)) {
		struct str name, type, max;
		if (!str_next(&one, ':', &name) || !str_next(&one, ':', &type) ||
		    !str_next(&one, ':', &max)) {
			continue;
		}
		buf_addf(xml, "<Property Name=\"%.*s\" Type=\"%.*s\" Nullable=\"%s\"",
			 STR_ARGS(name), STR_ARGS(type.len ? type : STR("Edm.String")),
			 str_eq(name, str_of(t->key)) ? "false" : "true");
		if (max.len > 0) {
			buf_addf(xml, " MaxLength=\"%.*s\"", STR_ARGS(max));
		}
		buf_add_str(xml, STR("/>"));
	}
	buf_add_str(xml, STR("</EntityType>"));
}

static void add_file_type(struct buf *xml, const char *name)
{
	buf_addf(xml,
		 "<EntityType Name=\"%s\" m:HasStream=\"true\"><Key><PropertyRef "
		 "Name=\"Hexalias\"/></Key><Property Name=\"Hexalias\" Type=\"Edm.String\" "
		 "Nullable=\"false\" MaxLength=\"2000\"/></EntityType>",
		 name);
}

/* The type that a navigation property leads to, and how many of it. */
static const char *target_of(const char *link, const char **many)
{
	*many = "1";
	if (strcmp(link, "ChainCertificates") == 0 || strcmp(link, "Entries") == 0) {
		*many = "*";
		return link[0] == 'E' ? "KeystoreEntry" : "ChainCertificate";
	}
	return link;
}

static void add_associations(struct buf *xml, const struct odata_set_row *set)
{
	for (size_t i = 0; set->links[i] != NULL; i++) {
		const char *many;
		const char *target = target_of(set->links[i], &many);
		buf_addf(xml,
			 "<Association Name=\"%s_%s\"><End Type=\"com.sap.hci.api.%s\" "
			 "Multiplicity=\"1\" Role=\"%s\"/><End Type=\"com.sap.hci.api.%s\" "
			 "Multiplicity=\"%s\" Role=\"%s\"/></Association>",
			 set->type, set->links[i], set->type, set->type, target, many,
			 set->links[i]);
	}
}

static const char *set_of_type(const char *type)
{
	for (size_t i = 0; i < ODATA_SETS; i++) {
		if (strcmp(odata_sets[i].type, type) == 0) {
			return odata_sets[i].name;
		}
	}
	return type; /* of a file: its set has its name */
}

static void add_association_sets(struct buf *xml, const struct odata_set_row *set)
{
	for (size_t i = 0; set->links[i] != NULL; i++) {
		const char *many;
		const char *target = target_of(set->links[i], &many);
		buf_addf(xml,
			 "<AssociationSet Name=\"%s_%sSet\" Association=\"com.sap.hci.api.%s_%s\">"
			 "<End EntitySet=\"%s\" Role=\"%s\"/><End EntitySet=\"%s\" Role=\"%s\"/>"
			 "</AssociationSet>",
			 set->type, set->links[i], set->type, set->links[i], set->name, set->type,
			 set_of_type(target), set->links[i]);
	}
}

static void add_container(struct buf *xml)
{
	buf_add_str(xml, STR("<EntityContainer Name=\"EntityContainer\" "
			     "m:IsDefaultEntityContainer=\"true\">"));
	for (size_t i = 0; i < ODATA_SETS; i++) {
		buf_addf(xml, "<EntitySet Name=\"%s\" EntityType=\"com.sap.hci.api.%s\"/>",
			 odata_sets[i].name, odata_sets[i].type);
	}
	for (size_t i = 0; i < COUNT(request_types); i++) {
		buf_addf(xml, "<EntitySet Name=\"%s\" EntityType=\"com.sap.hci.api.%s\"/>",
			 request_types[i].set, request_types[i].type);
	}
	for (size_t i = 0; i < COUNT(file_types); i++) {
		buf_addf(xml, "<EntitySet Name=\"%s\" EntityType=\"com.sap.hci.api.%s\"/>",
			 file_types[i], file_types[i]);
	}
	for (size_t i = 0; i < ODATA_SETS; i++) {
		add_association_sets(xml, &odata_sets[i]);
	}
	buf_add_str(xml, STR("</EntityContainer>"));
}

void odata_add_metadata(struct buf *xml)
{
	buf_add_str(
		xml,
		STR("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<edmx:Edmx Version=\"1.0\" "
		    "xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\">"
		    "<edmx:DataServices m:DataServiceVersion=\"2.0\" "
		    "xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\">"
		    "<Schema Namespace=\"com.sap.hci.api\" "
		    "xmlns=\"http://schemas.microsoft.com/ado/2008/09/edm\">"));
	for (size_t i = 0; i < ODATA_SETS; i++) {
		add_type(xml, &odata_sets[i]);
	}
	for (size_t i = 0; i < COUNT(request_types); i++) {
		add_request_type(xml, &request_types[i]);
	}
	for (size_t i = 0; i < COUNT(file_types); i++) {
		add_file_type(xml, file_types[i]);
	}
	for (size_t i = 0; i < ODATA_SETS; i++) {
		add_associations(xml, &odata_sets[i]);
	}
	add_container(xml);
	buf_add_str(xml, STR("</Schema></edmx:DataServices></edmx:Edmx>\n"));
}
