-- The catalog. Times are microseconds since the Unix epoch, documents are versioned JSON, `current` is 1 for the last version.
create table artifacts (
    ordinal bigint generated always as identity primary key,
    kind text not null,
    name text collate "C" not null,
    version bigint not null,
    current bigint not null,
    modified_at bigint not null,
    document text not null,
    unique (kind, name, version)
);
create index artifacts_by_name on artifacts (current, kind, name);

-- What the last version of an artifact was made from.
create table artifact_inputs (
    kind text not null,
    name text not null,
    input_kind text not null,
    input_name text not null,
    primary key (kind, name, input_kind, input_name)
);
create index artifact_inputs_by_input on artifact_inputs (input_kind, input_name);
