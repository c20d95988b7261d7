"""The promises on real servers, with real sockets.

Where each of the 25 scenarios of a production user is held true:

| scenario | test |
| --- | --- |
| 1, 2 incremental | `test_streaming.test_each_word_arrives_before_the_next_is_said` |
| 3, 4, 5 leaving under ASGI | `test_leaving.test_leaving_is_noticed_under_asgi` |
| 6 leaving under WSGI | `test_leaving.test_leaving_is_noticed_under_wsgi` |
| 7 ASGI by hand | `tests/responses/test_starlette.py` |
| 8 a hundred blocking runs | `test_limits.test_a_hundred_blocking_runs_leave_the_rest_responsive` |
| 9, 10 Flask's teardown | `test_contexts.test_flask_tears_down_once_after_the_run` |
| 11 Django's connections | `test_contexts.test_django_connections_are_closed` |
| 12 HEAD | `test_streaming.test_head_starts_nothing` |
| 13, 14 gevent | `test_processes.test_under_gevent_both_kinds_run_while_others_use_the_orm` |
| 15 preload | `test_processes.test_preloaded_workers_have_a_loop_of_their_own` |
| 16 a shared async client | `test_contexts.test_one_async_client_serves_all_runs` |
| 17 a client that never reads | `test_limits.test_a_client_that_never_reads_stops_the_producer` |
| 18 errors | `test_streaming.test_an_error_ends_a_whole_stream` |
| 19 gunicorn's timeout | `test_processes.test_a_sync_worker_that_is_timed_out_cancels_its_run` |
| 20 SIGTERM | `test_stopping.test_sigterm_with_live_streams` |
| 20 `shutdown` | `test_processes.test_shutdown_ends_live_streams_at_sigterm` |
| 21, 22 Ctrl-C and exit | `tests/test_background.py` |
| 23 variables | `test_contexts.test_tracing_and_logging_variables_are_seen` |
| 24 many threads | `tests/matrix/test_matrix.py`, `tests/state/test_state.py` |
| 25 leaks | `test_leaks`, `test_stopping.test_nothing_stray_was_printed_or_logged` |
"""
