-- Which run made a version of an artifact.
alter table artifacts add column run text;
update artifacts set run = cast(replace(document, '\u0000', '\u0020') as json) -> 'origin' ->> 'run';
create index artifacts_by_run on artifacts (run) where run is not null;
