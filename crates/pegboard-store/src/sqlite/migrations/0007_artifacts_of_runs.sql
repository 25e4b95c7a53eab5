-- Which run made a version of an artifact.
alter table artifacts add column run text;
update artifacts set run = case when json_valid(document) then document ->> '$.origin.run' end;
create index artifacts_by_run on artifacts (run) where run is not null;
