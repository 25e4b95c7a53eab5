-- Who may come in, and who did what. Times are microseconds since the Unix epoch, documents are versioned JSON, `owner` is a user.
create table passwords (
    owner text primary key not null,
    document text not null
) strict, without rowid;

create table sign_ins (
    hash text primary key not null,
    id text not null unique,
    owner text not null,
    used_at integer not null,
    ends_at integer not null,
    document text not null
) strict, without rowid;
create index sign_ins_by_owner on sign_ins (owner);

create table one_time_links (
    hash text primary key not null,
    owner text not null,
    expires_at integer not null,
    document text not null
) strict, without rowid;
create index one_time_links_by_owner on one_time_links (owner);

create table audit (
    ordinal integer primary key autoincrement,
    organization text not null,
    time integer not null,
    document text not null
) strict;
create index audit_by_organization on audit (organization, ordinal);
create index audit_by_time on audit (time);

-- Whose: what was there before organizations were told apart belongs to the one that its document names.
alter table projects add column organization text not null default '';
update projects set organization = coalesce(case when json_valid(document) then document ->> '$.organization' end, '');
create index projects_by_organization on projects (organization, deleted, ordinal);

alter table hub_sessions add column organization text not null default '';
update hub_sessions set organization = coalesce(case when json_valid(document) then document ->> '$.organization' end, '');
create index hub_sessions_by_organization on hub_sessions (organization, ordinal);
