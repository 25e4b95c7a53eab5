//! Remote plugins, presets, sessions and their logs, on every back end.

use pegboard_model::{
    ClassPair, Connector, HubId, LogLevel, PluginLimits, PluginType, Preset, RemotePlugin, Session, SessionCause, SessionLine,
    SessionState, Timestamp,
};
use pegboard_store::{Replaces, SessionFilter, StoreError};
use serde_json::{Map, json};

use crate::back_end::on_each;
use crate::sample;

fn plugin(name: &str) -> RemotePlugin {
    RemotePlugin {
        id: HubId::random(),
        organization: HubId::random(),
        name: name.to_owned(),
        description: "größer \0".to_owned(),
        details: String::new(),
        banner_url: String::new(),
        plugin_type: PluginType::BatchModel,
        class_names: vec!["Car".to_owned()],
        public: false,
        listed: true,
        default_config: "{}".to_owned(),
        config_schema: None,
        connector: Connector::Socket,
        limits: PluginLimits::default(),
        old_export: false,
        secret_hash: "6f".to_owned(),
        sealed_secret: String::new(),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
    }
}

fn session(plugin: HubId, project: Option<HubId>) -> Session {
    Session {
        id: HubId::random(),
        plugin,
        plugin_type: PluginType::Export,
        organization: HubId::random(),
        project,
        run_by: HubId::random(),
        cause: SessionCause::User,
        state: SessionState::Queued,
        config: "{}".to_owned(),
        classes: Vec::new(),
        parameters: Map::new(),
        created_at: Timestamp(1),
        started_at: None,
        finished_at: None,
        timeout_ms: 1000,
        attempts: 0,
        not_before: None,
        result: json!(null),
        result_object: None,
        download: None,
        failure: None,
        progress: None,
        last_error: None,
        log: Default::default(),
        retry_of: None,
    }
}

fn lines(texts: &[&str]) -> Vec<SessionLine> {
    let line =
        |text: &&str| SessionLine { time: Timestamp(5), level: LogLevel::Info, text: (*text).to_owned(), more: Map::new() };
    texts.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_plugins_and_who_has_them() {
    on_each(|world| async move {
        let store = world.store;
        let mut all = [plugin("one"), plugin("two"), plugin("three")];
        for plugin in &all {
            store.create_remote_plugin(plugin).await.unwrap();
        }
        let taken = store.create_remote_plugin(&all[0]).await;
        assert_eq!(taken, Err(StoreError::AlreadyExists(all[0].id.to_string())));

        all[1].description = "other".to_owned();
        all[1].updated_at = Timestamp(2);
        assert!(matches!(store.update_remote_plugin(&all[1], Timestamp(9)).await, Err(StoreError::ChangedMeanwhile(_))));
        store.update_remote_plugin(&all[1], Timestamp(1)).await.unwrap();
        assert_eq!(store.remote_plugin(all[1].id).await.unwrap(), Some(all[1].clone()));

        let (page, next) = store.remote_plugins(0, 2).await.unwrap();
        assert_eq!(page, all[..2]);
        assert_eq!(store.remote_plugins(next.unwrap(), 2).await.unwrap(), (all[2..].to_vec(), None));

        let (mine, theirs) = (HubId::random(), HubId::random());
        for (organization, plugin) in [(mine, all[0].id), (theirs, all[0].id), (mine, all[1].id), (mine, all[1].id)] {
            store.install_remote_plugin(organization, plugin, Timestamp(3)).await.unwrap();
        }
        assert!(store.remove_remote_plugin(theirs, all[0].id).await.unwrap());
        assert!(!store.remove_remote_plugin(theirs, all[0].id).await.unwrap());
        assert_eq!(store.installed_remote_plugins().await.unwrap().len(), 2);

        assert!(store.delete_remote_plugin(all[0].id).await.unwrap());
        assert!(!store.delete_remote_plugin(all[0].id).await.unwrap());
        assert_eq!(store.installed_remote_plugins().await.unwrap(), [(mine, all[1].id)]);
        assert_eq!(store.remote_plugin(all[0].id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_have_one_name_each() {
    on_each(|world| async move {
        let store = world.store;
        let mut preset = Preset {
            id: HubId::random(),
            project: HubId::random(),
            plugin: HubId::random(),
            name: "night".to_owned(),
            config: "{}".to_owned(),
            classes: vec![ClassPair { schema_id: "s".to_owned(), model_class: "Car".to_owned() }],
            parameters: Map::new(),
            created_at: Timestamp(1),
        };
        store.put_preset(&preset, Replaces::Anything).await.unwrap();
        preset.config = "{\"a\":1}".to_owned();
        preset.id = HubId::random();
        store.put_preset(&preset, Replaces::Anything).await.unwrap();
        assert_eq!(store.presets(preset.project, Some(preset.plugin)).await.unwrap(), [preset.clone()]);
        assert_eq!(store.presets(preset.project, None).await.unwrap(), [preset.clone()]);
        assert_eq!(store.presets(preset.project, Some(HubId::random())).await.unwrap(), []);
        assert_eq!(store.presets_of_plugin(preset.plugin).await.unwrap(), [preset.clone()]);
        assert_eq!(store.presets_of_plugin(HubId::random()).await.unwrap(), []);
        // Only what the writer saw is replaced.
        let (seen, other) = (preset.id, HubId::random());
        let changed = Preset { id: HubId::random(), config: "{\"a\":2}".to_owned(), ..preset.clone() };
        for replaces in [Replaces::Nothing, Replaces::This(other)] {
            assert!(matches!(store.put_preset(&changed, replaces).await, Err(StoreError::ChangedMeanwhile(_))), "{replaces:?}");
        }
        assert_eq!(store.presets(preset.project, None).await.unwrap(), [preset.clone()]);
        store.put_preset(&changed, Replaces::This(seen)).await.unwrap();
        assert_eq!(store.presets(preset.project, None).await.unwrap(), std::slice::from_ref(&changed));
        let new = Preset { id: HubId::random(), name: "day".to_owned(), ..preset.clone() };
        store.put_preset(&new, Replaces::Nothing).await.unwrap();
        preset = changed;
        assert!(store.delete_preset(preset.id).await.unwrap());
        assert!(!store.delete_preset(preset.id).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_once() {
    on_each(|world| async move {
        let store = world.store;
        let mut one = session(HubId::random(), None);
        store.create_session(&one).await.unwrap();
        assert_eq!(store.create_session(&one).await, Err(StoreError::AlreadyExists(one.id.to_string())));
        one.state = SessionState::Running;
        store.change_session(&one, lines(&["first"]), None).await.unwrap();
        assert_eq!(store.unfinished_sessions().await.unwrap(), [one.clone()]);

        let ends = (0..8).map(|number| {
            let (store, mut mine, event) = (store.clone(), one.clone(), sample::event(number));
            (mine.state, mine.finished_at, mine.result) = (SessionState::Finished, Some(Timestamp(7)), json!(number));
            tokio::spawn(async move { (store.change_session(&mine, lines(&["end"]), Some(&event)).await, mine) })
        });
        let mut kept = Vec::new();
        for end in ends.collect::<Vec<_>>() {
            match end.await.unwrap() {
                (Ok(()), mine) => kept.push(mine),
                (Err(error), _) => assert_eq!(error, StoreError::ChangedMeanwhile(one.id.to_string())),
            }
        }
        assert_eq!(kept.len(), 1);
        assert_eq!(store.events(0, 9).await.unwrap().len(), 1, "of the end that was kept");
        assert_eq!(store.session(one.id).await.unwrap().as_ref(), kept.first());
        assert_eq!(store.unfinished_sessions().await.unwrap(), []);

        store.log_session(one.id, lines(&["late", "zero \0 byte"])).await.unwrap();
        let log = store.session_log(one.id, 0, 10).await.unwrap();
        let texts: Vec<_> = log.iter().map(|stored| (stored.sequence, stored.line.text.as_str())).collect();
        assert_eq!(texts, [(1, "first"), (2, "end"), (3, "late"), (4, "zero \u{fffd} byte")]);
        assert_eq!(store.session_log(one.id, 2, 1).await.unwrap(), log[2..3]);
        assert_eq!(store.session_log_end(one.id, None, 2).await.unwrap(), log[2..4]);
        assert_eq!(store.session_log_end(one.id, Some(3), 9).await.unwrap(), log[0..2]);
        assert_eq!(store.session_log_end(HubId::random(), None, 9).await.unwrap(), []);
        let nobody = HubId::random();
        assert_eq!(store.log_session(nobody, lines(&["x"])).await, Err(StoreError::NotFound(nobody.to_string())));

        assert_eq!(store.delete_sessions_ended_before(Timestamp(7), 9).await.unwrap(), []);
        assert_eq!(store.delete_sessions_ended_before(Timestamp(8), 9).await.unwrap(), kept);
        assert_eq!(store.session_log(one.id, 0, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_take_every_combination() {
    on_each(|world| async move {
        let store = world.store;
        let (plugins, projects) = ([HubId::random(), HubId::random()], [HubId::random(), HubId::random()]);
        let (ours, mut all) = (HubId::random(), Vec::new());
        for number in 0..16 {
            let mut one = Session { organization: ours, ..session(plugins[number % 2], Some(projects[number / 2 % 2])) };
            if number % 4 < 2 {
                one.state = SessionState::Failed;
            }
            store.create_session(&one).await.unwrap();
            all.insert(0, one);
        }
        let elsewhere = Session { organization: HubId::random(), ..session(plugins[0], Some(projects[0])) };
        store.create_session(&elsewhere).await.unwrap();
        for bits in 0..16 {
            let filter = SessionFilter {
                organization: Some(ours),
                plugin: (bits & 8 > 0).then_some(plugins[0]),
                project: (bits & 4 > 0).then_some(projects[0]),
                state: (bits & 2 > 0).then_some(SessionState::Failed),
                before: (bits & 1 > 0).then_some(all[3].id),
                limit: 3,
            };
            let expected: Vec<_> = all[if bits & 1 > 0 { 4 } else { 0 }..]
                .iter()
                .filter(|one| filter.plugin.is_none_or(|plugin| one.plugin == plugin))
                .filter(|one| filter.project.is_none_or(|project| one.project == Some(project)))
                .filter(|one| filter.state.is_none_or(|state| one.state == state))
                .take(3)
                .cloned()
                .collect();
            assert_eq!(store.sessions(&filter).await.unwrap(), expected, "{filter:?}");
        }
        let theirs = SessionFilter { organization: Some(elsewhere.organization), ..SessionFilter::default() };
        assert_eq!(store.sessions(&theirs).await.unwrap(), [elsewhere]);
        assert_eq!(store.sessions(&SessionFilter::default()).await.unwrap().len(), 17);
        let filter = SessionFilter { plugin: Some(HubId::random()), ..SessionFilter::default() };
        assert_eq!(store.sessions(&filter).await.unwrap(), []);
        let gone = SessionFilter { before: Some(HubId::random()), ..SessionFilter::default() };
        assert!(matches!(store.sessions(&gone).await, Err(StoreError::NotFound(_))));
    })
    .await;
}
