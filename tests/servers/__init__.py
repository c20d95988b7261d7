"""The promises on real servers, with real sockets.

Where each of the 25 scenarios of a production user is held true, by a test below `tests`; `tests/test_architecture.py`
holds that each is there:

| scenario | test |
| --- | --- |
| 1 pace and framing | `servers/test_streaming.py::test_words_arrive_at_the_pace_at_which_they_are_sent` |
| 1, 2 incremental | `servers/test_streaming.py::test_each_word_arrives_before_the_next_is_sent` |
| 3, 4, 5 disconnect under ASGI | `servers/test_disconnects.py::test_disconnect_is_detected_under_asgi` |
| 6 disconnect under WSGI | `servers/test_disconnects.py::test_disconnect_is_detected_under_wsgi` |
| 7 ASGI by hand | `responses/test_starlette.py::test_a_disconnect_from_a_quiet_stream_is_detected` |
| 7 `send` raises | `responses/test_starlette.py::test_a_send_that_raises_is_a_disconnect` |
| 8 a hundred blocking runs | `servers/test_limits.py::test_a_hundred_blocking_runs_leave_the_rest_responsive` |
| 9 Flask's request | `servers/test_contexts.py::test_flask_runs_see_their_own_requests` |
| 9, 10 Flask's teardown | `servers/test_contexts.py::test_flask_tears_down_once_after_the_run` |
| 11 Django's connections | `servers/test_contexts.py::test_django_connections_are_closed` |
| 12 HEAD | `servers/test_streaming.py::test_head_starts_nothing` |
| 13, 14 gevent | `servers/test_processes.py::test_under_gevent_both_kinds_run_while_others_use_the_orm` |
| 15 preload | `servers/test_processes.py::test_preloaded_workers_have_their_own_loop` |
| 16 a shared async client | `servers/test_contexts.py::test_one_async_client_serves_all_runs` |
| 17 a client that never reads | `servers/test_limits.py::test_a_client_that_never_reads_stops_the_producer` |
| 17 daphne | `servers/test_limits.py::test_the_server_itself_has_no_backpressure` |
| 18 errors | `servers/test_streaming.py::test_an_error_ends_a_whole_stream` |
| 19 gunicorn's timeout | `servers/test_processes.py::test_a_sync_worker_that_is_timed_out_cancels_its_run` |
| 20 SIGTERM | `servers/test_stopping.py::test_sigterm_with_live_streams` |
| 20 `shutdown` | `servers/test_processes.py::test_shutdown_ends_live_streams_at_sigterm` |
| 21 Ctrl-C | `run/test_loops.py::test_ctrl_c_while_reading_ends_the_script_at_once` |
| 22 a script's exit | `run/test_loops.py::test_a_script_that_breaks_out_and_ends_is_not_held` |
| 23 variables | `servers/test_contexts.py::test_tracing_and_logging_variables_are_seen` |
| 24 many threads | `matrix/test_matrix.py::test_eight_threads_keep_their_order` |
| 24 and the state | `state/test_proxy.py::test_threads_edit_one_list_and_their_own_keys_without_a_loss` |
| 25 leaks | `servers/test_leaks.py::test_two_hundred_disconnects_leak_nothing` |
| 25 messages | `servers/test_stopping.py::test_nothing_stray_was_printed_or_logged` |
"""
