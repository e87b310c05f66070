"""The mends of the faults on docs/reliability.md, and what the code is without each of them.

:mod:`tests.undone` takes back one mend at a time: the tests that the page names for its fault must fail then.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A text that occurs once in a file, and what stands there without the mend."""

    file: str
    mended: str
    undone: str


@dataclass(frozen=True)
class Mend:
    """What is wrong again without the mend of a fault, the changes that take it back, and the tests that must fail."""

    fault: int
    wrong: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def undo(fault: int, wrong: str, changes: list[tuple[str, str, str]], *tests: str) -> Mend:
    return Mend(fault, wrong, tuple(Change(*change) for change in changes), tests)


PIXELS = "senet_nas/data/pixels.py"
COMPANIONS = "senet_nas/export/predict_program.py"
PROOF = "senet_nas/export/file_proof.py"
WALK = "senet_nas/data/folder_walk.py"
STAGES = "senet_nas/network/stages.py"
SOURCE = "senet_nas/export/source.py"
OUTPUT = "senet_nas/network/backbones/own_output.py"
DEFAULTS = "search/config/fitting_defaults.py"
POSITIONS = "search/setup/fit_positions.py"
RUNTIME = "search/execute/ray/runtime.py"
PATHS = "search/execute/ray/worker_paths.py"
CLIENT = "search/track/client.py"
STORE = "search/track/store.py"
STORE_CHECK = "search/track/store_check.py"
START = "search/cli/start.py"
TEXT = "search/execute/table_text.py"
TABLE = "search/execute/result_table.py"
INIT = "search/cli/init.py"
GPUS = "senet_nas/gpus.py"
RUNTIMES = "senet_nas/costs/runtimes.py"
TORCH_RUNTIMES = "senet_nas/deploy/torch_runtimes.py"
RUN_FOLDER = "search/state/run_folder.py"

READ = 'x_HWC = read_pixels(path, side, channels=wants["channels"], white=wants["range"][1])'
CONVERT = """from PIL import ImageOps
    upright = ImageOps.exif_transpose(Image.open(path)).convert("L" if wants["channels"] == 1 else "RGB")
    x_HWC = np.atleast_3d(np.asarray(ImageOps.fit(upright, (side, side), Image.Resampling.BILINEAR)))"""
GUARDED = """    try:
        orientation: int = image.getexif().get(ORIENTATION, 1)
        return orientation
    except Exception:  # metadata are read by many parsers; damaged ones do not make the pixels unreadable
        return 1
"""
UNGUARDED = """    from PIL import ImageOps

    ImageOps.exif_transpose(image)
    return int(image.getexif().get(ORIENTATION, 1))
"""
PRUNED = """        if is_litter(entry.name):
            _note_litter(entry, found)
        elif not _is_folder(entry):
            _note_file(entry, found)
        elif (identity"""
READ_TOO = "        if" + PRUNED.partition("elif")[2]
FOLLOWED = """        if is_new:  # also what MLflow has just put into it lies beside the runs
            follow_move(uri, runs)
"""
READ_ONLY = "if error.errno == errno.EROFS:\n        "
TIMM_YAML = "  backbone: timm:resnet18\nbudget"
HOME = """    try:
        return Path.home()
    except RuntimeError as error:
        raise UserError("""

ODD_IMAGE = "test_pixels.py::test_an_odd_image_is_read_right_or_refused"
ODD_FOLDER = "test_folders.py::test_an_odd_folder_is_read_right_or_refused"
BRIGHTNESS = "test_folders.py::test_brightness_of_deep_images_survives"
PREDICT = "test_file_proof.py::test_predict_reads_files_to_the_last_bit_as_the_training_did"
REFUSED_FORM = "test_odd_modules.py::test_what_is_refused_is_one_clear_error"
RECIPE = "test_own.py::test_the_recipe_for_timm_puts_se_before_the_addition_and_needs_nothing_else"
TIMM = "test_own.py::test_se_in_timms_units_learns_and_exports"
NAMED = "test_fitting_defaults.py::test_named_sites_of_an_own_network_offer_their_output_and_that_is_the_default"
KILLED = "test_real_ray.py::test_killed_once_nothing_is_lost_and_nothing_is_left"
THEIR_RAY = "test_preconditions.py::test_a_ray_of_the_users"
SAVED = "test_table_text.py::test_a_table_is_read_however_it_was_saved"
OTHERS_TABLE = "test_problems.py::test_a_table_of_somebody_else_needs_only_the_cost_that_is_traded_off"

MENDS = (
    undo(1, "predict.py converts with Pillow's own convert", [(COMPANIONS, READ, CONVERT)], PREDICT),
    undo(
        1,
        "the same, and the export compares no files",
        [
            (COMPANIONS, READ, CONVERT),
            (PROOF, 'if not torch.equal(found["pixels"], images) or not', "if False and not"),
            (PROOF, 'if not differences["logits"] <= TOLERANCE * largest:', "if False:"),
        ],
        PREDICT,
    ),
    undo(
        2,
        "each image is divided by its own maximum",
        [(PIXELS, "(255.0 / white))", "(255.0 / max(1.0, levels.max())))")],
        BRIGHTNESS,
        ODD_IMAGE,
    ),
    undo(
        2,
        "modes that the list of deep modes lacks clip",
        [
            (PIXELS, '"I;16B", "I;16L", "I;16N", ', ""),
            (PIXELS, "if image.mode not in BYTES:", "if False:"),
        ],
        ODD_IMAGE,
    ),
    undo(
        2,
        "NaN, infinite and negative values are read",
        [
            (PIXELS, "if not np.isfinite(levels).all():", "if False:"),
            (PIXELS, "if levels.min() < 0:", "if False:"),
        ],
        ODD_IMAGE,
    ),
    undo(3, "litter is read below a class", [(WALK, PRUNED, READ_TOO)], ODD_FOLDER),
    undo(
        3, "linked folders are dropped", [(WALK, "entry.is_dir()", "entry.is_dir(follow_symlinks=False)")], ODD_FOLDER
    ),
    undo(
        3,
        "an empty hidden folder makes a set of a class",
        [
            (
                "senet_nas/data/folder_classes.py",
                "for folder in folders(root) if folders(folder)",
                "for folder in folders(root) if any(path.is_dir() for path in folder.iterdir())",
            )
        ],
        ODD_FOLDER,
    ),
    undo(
        4,
        "an odd EXIF tag refuses an image",
        [(PIXELS, GUARDED, UNGUARDED)],
        ODD_IMAGE,
    ),
    undo(4, ".jfif is not read", [(WALK, '    ".jfif",\n', "")], ODD_FOLDER),
    undo(
        4,
        "an image in two classes is not named",
        [("senet_nas/data/data_checks.py", "    if not twins:\n", "    if True:\n")],
        "test_folders.py::test_an_image_in_two_classes_is_named_with_both_files",
    ),
    undo(
        5,
        "code is not compared",
        [("search/setup/code_identity.py", "if change := _change(before, after):", 'if change := "":')],
        "test_code_identity.py::test_what_changes_results_is_refused_with_what_changed",
    ),
    undo(
        6,
        "`network.stages` is written",
        [
            (STAGES, "vars(network)[_NOTE] = stages", "network.stages = stages"),
            (STAGES, "vars(network).get(_NOTE)", 'getattr(network, "stages", None)'),
        ],
        "test_odd_modules.py::test_what_is_accepted_trains_exports_and_reloads_with_equal_outputs",
    ),
    undo(
        7,
        "a module with buffers and SE has no source",
        [
            (
                SOURCE,
                '    base = "nn.Module"\n',
                '    assert not [*module.buffers(recurse=False)]\n    base = "nn.Module"\n',
            )
        ],
        TIMM,
    ),
    undo(
        8,
        "the output is not looked at",
        [(OUTPUT, "    if fault:\n        raise", "    if False:\n        raise")],
        REFUSED_FORM,
    ),
    undo(
        8,
        "frozen parameters are accepted",
        [(OUTPUT, "if not any(parameter.requires_grad for parameter in tried.parameters()):", "if False:")],
        REFUSED_FORM,
    ),
    undo(
        9,
        "the default position is none that named sites offer",
        [(DEFAULTS, 'if "position" not in space and _has_named_sites(model):', "if False:")],
        NAMED,
    ),
    undo(
        9,
        "the recipe puts SE after addition and ReLU",
        [("docs/own-network.md", TIMM_YAML, TIMM_YAML.replace("\nbudget", '\n  sites: ["layer*.*"]\nbudget'))],
        RECIPE,
    ),
    undo(
        9,
        "SE before the addition stands behind it and its ReLU",
        [
            (
                "senet_nas/network/surgery/residual.py",
                '"pre_addition": Edit(last.name, (user.name,)),',
                '"pre_addition": Edit(_activated(layers, module, unit.addition).name),',
            )
        ],
        TIMM,
    ),
    undo(
        10,
        "the default space ignores model.init",
        [(DEFAULTS, 'model.get("init") in ("identity", "pretrained")', "False")],
        "test_fitting_defaults.py::test_the_default_space_passes_the_check_of_a_warm_start",
    ),
    undo(
        10,
        "the default gate is one that cannot start as the identity behind layer scale",
        [(POSITIONS, "if not warm_start.can_double(experiment.model.network):", "if False:")],
        "test_fine_tuning_checks.py::test_a_pretrained_network_needs_no_space",
    ),
    undo(
        10,
        "the default position is none that VGG offers",
        [(POSITIONS, 'return not experiment.evaluate.startswith("table:")', "return False")],
        "test_fine_tuning_checks.py::test_every_backbone_has_a_default_space",
    ),
    undo(
        11,
        "workers stand in a folder of Tune",
        [
            (RUNTIME, '"RAY_CHDIR_TO_TRIAL_DIR": "0"', '"RAY_CHDIR_TO_TRIAL_DIR": "1"'),
            (PATHS, "        os.chdir(folder)", "        return"),
        ],
        KILLED,
    ),
    undo(
        12,
        "Ray puts the folder of the command before all others",
        [(RUNTIME, "            job_config=worker_paths.job_config(),\n", "")],
        KILLED,
    ),
    undo(
        12,
        "folders of the user come first",
        [("senet_nas/user_code.py", "sys.path.append(str(folder))", "sys.path.insert(0, str(folder))")],
        KILLED,
    ),
    undo(
        12,
        "a foreign package `spaces` is not noticed",
        [(START, "if problem := foreign_packages.shadowed():", 'if problem := "":')],
        "test_foreign_packages.py::test_a_foreign_package_ends_every_command_with_one_sentence",
    ),
    undo(
        13,
        "nobody looks for a Ray of the user's",
        [("search/execute/ray/preconditions.py", 'if not is_running() or address == "auto":', "if True:")],
        f"{THEIR_RAY}_is_refused_before_anything_is_touched",
        f"{THEIR_RAY}_stays_and_a_search_can_use_it",
    ),
    undo(
        14,
        "addresses of a moved store stay",
        [(CLIENT, FOLLOWED, ""), (CLIENT, "        follow_move(uri, runs)\n        client = ", "        client = ")],
        "test_store.py::test_a_moved_store_is_at_home_where_it_lies",
    ),
    undo(
        15,
        "only http stores are asked",
        [
            (
                STORE_CHECK,
                "    check_address(store)\n    file",
                '    if not store.uri.startswith("http"):\n        return\n    file',
            )
        ],
        "test_store.py::test_every_kind_of_store_is_asked",
    ),
    undo(
        15,
        "a store that a variable named is forgotten",
        [
            (STORE, "if facts is not None and facts.tracking and _origin(facts) == NAMED:", "if False:"),
            (STORE, "if uri is None and facts.tracking:", "if False:"),
        ],
        "test_store.py::test_a_run_that_a_variable_sent_elsewhere_is_found_without_it",
    ),
    undo(
        16,
        "a deleted experiment is like any other",
        [(CLIENT, 'if found.lifecycle_stage != "deleted":', "if True:")],
        "test_store.py::test_a_deleted_experiment_is_named_with_what_works",
    ),
    undo(
        17,
        "a read-only medium is like any other error",
        [
            ("spaces/durable.py", "ONLY_READ = (errno.EROFS, errno.EACCES, errno.EPERM)", "ONLY_READ = ()"),
            (RUN_FOLDER, f'{READ_ONLY}return "the', 'if False:\n        return "the'),
            (RUN_FOLDER, f"{READ_ONLY}return UserError", "if False:\n        return UserError"),
        ],
        "test_read_only.py::test_nothing_is_an_internal_error",
        "test_read_only.py::test_what_can_be_read_is_printed",
    ),
    undo(
        18,
        "four kinds of exceptions of Ray are caught",
        [
            (
                RUNTIME,
                "except Exception as error:  # Ray also throws a bare Exception",
                "except (ConnectionError, OSError, RuntimeError, ValueError) as error:",
            )
        ],
        "test_preconditions.py::test_whatever_ray_throws_at_its_start_is_one_line",
    ),
    undo(
        18,
        "every user has a home",
        [("search/execute/ray/auth_token.py", HOME, HOME.replace("RuntimeError", "KeyError"))],
        "test_preconditions.py::test_an_unknown_user_without_a_home_is_told_to_set_it_at_once",
    ),
    undo(
        19,
        "the page is asked for through the proxy",
        [("search/track/ui.py", "build_opener(urllib.request.ProxyHandler({}))", "build_opener()")],
        "test_ui.py::test_behind_a_proxy_the_page_is_looked_for_on_this_machine",
    ),
    undo(20, "every table is UTF-8 without a mark", [(TEXT, "if content.startswith(mark)", "if False")], SAVED),
    undo(20, "only commas separate", [(TEXT, '_SEPARATORS = ",;\\t"', '_SEPARATORS = ","')], SAVED),
    undo(
        21,
        "a path is taken for a part of an address",
        [(STORE, "{_plain(runs.resolve()) / DATABASE}", "{runs.resolve() / DATABASE}")],
        "test_store.py::test_everything_lands_in_the_folder_and_is_found_again",
    ),
    undo(
        22,
        "memory is not estimated",
        [("search/setup/memory_check.py", "    if total <= free:\n", "    if True:\n")],
        "test_memory_check.py::test_large_images_are_refused_with_the_batch_that_fits",
    ),
    undo(
        23,
        "an extension is kept before Ray starts",
        [
            (
                "search/session.py",
                "        if is_new:\n",
                "        keep_experiment(parts.prepared.experiment, parts.place, parts.ledger)\n        if True:\n",
            )
        ],
        "test_refused.py::test_a_refused_extension_does_not_stick",
    ),
    undo(
        24,
        "a share of a GPU is ignored without a GPU",
        [("search/setup/machine.py", 'if share in ("auto", 0) or here:', "if True:")],
        "test_experiment_setup.py::test_a_fault_is_told_at_its_key",
    ),
    undo(
        24,
        "init looks into no folder",
        [
            (
                INIT,
                '    seen = glance(DataSpec(source["dataset"], source.get("path"), color="rgb"), config.parent)\n',
                '    seen = glance(DataSpec("digits"), config.parent)\n',
            ),
            (INIT, "suggest(source, seen,", 'suggest({"dataset": "digits"}, seen,'),
        ],
        "test_init_refuses.py::test_a_folder_without_classes_is_refused_and_nothing_is_written",
    ),
    undo(
        24,
        "init takes every backbone",
        [(INIT, '        _check_backbone(backbone, source["dataset"])\n', "        pass\n")],
        "test_init_refuses.py::test_a_wrong_backbone_is_refused_with_the_nearest",
    ),
    undo(
        24,
        "words of other tools are not known",
        [("spaces/errors.py", "SYNONYMS.get(str(word).lower())", "None")],
        "test_synonyms.py::test_a_name_is_answered_with_what_it_means",
    ),
    undo(
        24,
        "odd settings pass",
        [("search/setup/setting_checks.py", "for check in _CHECKS for text", "for check in () for text")],
        "test_setting_checks.py::test_an_odd_setting_is_a_caution",
    ),
    undo(
        32,
        "all costs are needed",
        [(TABLE, "needed: tuple[str, ...] = (USUAL.column,)", 'needed: tuple[str, ...] = ("params", "macs")')],
        OTHERS_TABLE,
    ),
    undo(
        32,
        "a table without a cost goes on to an AssertionError",
        [(TABLE, "if self.sites is not None and any(", "if False and any(")],
        OTHERS_TABLE,
    ),
    undo(
        32,
        "a hint puts --debug behind the command",
        [("search/cli/app.py", '"--debug", *sys.argv[1:]]', '*sys.argv[1:], "--debug"]')],
        "test_named_options.py::test_an_internal_error_names_a_command_line_that_works",
    ),
    undo(
        33,
        "images go onto the GPU however many they are",
        [
            (
                "senet_nas/data/residence.py",
                'if torch.device(device).type != "cuda" or not is_resident(data, device, share):',
                'if torch.device(device).type != "cuda":',
            )
        ],
        "test_residence.py::test_images_that_do_not_fit_stay_with_the_host",
    ),
    undo(
        33,
        "trainings do not share the memory of a GPU",
        [(GPUS, "SHARE_OF_IMAGES * share * memory", "SHARE_OF_IMAGES * memory")],
        "test_residence.py::test_images_fit_into_half_of_what_a_training_has_of_the_gpu",
    ),
    undo(
        34,
        "a broken context is a failed training like any other",
        [("search/execute/worker.py", 'if gpus.failure(error) == "broken":', "if False:")],
        "test_worker.py::test_a_gpu_that_fails_leaves_no_result",
    ),
    undo(
        34,
        "a GPU that fails gets the next training",
        [("search/execute/ray/gpu_health.py", "FAILURES = 2\n", "FAILURES = 10**9\n")],
        "test_gpu_health.py::test_two_failures_in_a_row_bar_a_gpu_and_that_is_told_once",
    ),
    undo(
        35,
        "what was compiled for earlier networks stays",
        [(TORCH_RUNTIMES, "        torch.compiler.reset()\n", "        pass\n")],
        "test_runtimes.py::test_every_network_of_a_backbone_is_compiled",
    ),
    undo(
        35,
        "nobody looks whether a network was compiled",
        [(TORCH_RUNTIMES, "    if not compiled_graphs:\n", "    if False:\n")],
        "test_runtimes.py::test_a_network_that_is_not_compiled_is_refused",
    ),
    undo(
        36,
        "a graph forgets its network",
        [(TORCH_RUNTIMES, "GraphCall(graph, model, x, y, waits)", "GraphCall(graph, nn.Identity(), x, y, waits)")],
        "test_runtimes.py::test_a_graph_keeps_the_network_whose_weights_it_reads",
    ),
    undo(
        36,
        "the basis of dct comes from the host",
        [
            (
                "senet_nas/network/squeezes.py",
                "turns_KS = basis_KL.new_zeros(len(numbers), size)\n",
                "turns_KS = basis_KL.new_tensor(numbers).unsqueeze(1) * centres_S\n",
            )
        ],
        "test_waits.py::test_a_step_waits_for_nothing",
    ),
    undo(
        37,
        "what ran out of memory waits for all GPUs",
        [("search/planning/failure_limits.py", "        if self.on_gpus:\n", "        if False:\n")],
        "test_failures.py::test_on_gpus_what_ran_out_of_memory_waits_there_and_the_loop_goes_on",
    ),
    undo(
        37,
        "only torch's own error is one of memory",
        [(GPUS, " or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text))", "")],
        "test_gpus.py::test_an_error_tells_what_became_of_the_gpu",
    ),
    undo(
        37,
        "a slot keeps the memory of its last training",
        [("search/execute/worker.py", "    gpus.release()\n", "")],
        "test_worker.py::test_memory_is_given_back_after_every_training",
    ),
    undo(
        38,
        "trainings fill one GPU before the next",
        [("search/setup/machine.py", "spread(count, here) if share else 0.0", "share")],
        "test_slots_on_gpus.py::test_trainings_are_spread",
    ),
    undo(
        39,
        "device cuda trains on the CPU",
        [("search/setup/machine.py", 'if share == 0 and experiment.resources.device == "cuda":', "if False:")],
        "test_slots_on_gpus.py::test_what_does_not_fit_is_refused",
    ),
    undo(
        39,
        "a function gets no GPU",
        [("search/setup/machine.py", 'is_asked_for = resources.device == "cuda" or ', "is_asked_for = ")],
        "test_slots_on_gpus.py::test_a_function_of_the_users_gets_gpus_where_the_config_says_cuda",
    ),
    undo(
        40,
        "emulation counts",
        [(GPUS, "is_bf16_supported(including_emulation=False)", "is_bf16_supported()")],
        "test_gpus.py::test_emulated_bfloat16_is_not_native",
    ),
    undo(
        41,
        "the search itself measures latency",
        [("senet_nas/costs/timed_pair.py", 'if runtimes.device_of(spec).type != "cuda":', "if True:")],
        "test_latency_setup.py::test_on_a_gpu_another_process_measures",
    ),
    undo(
        41,
        "figures of any machine are taken",
        [("search/setup/latency_measurement.py", "and not _is_same(there, here):", "and False:")],
        "test_latency_measurement.py::test_figures_of_another_machine_are_measured_again",
    ),
    undo(
        41,
        "TF32 is not named",
        [(RUNTIMES, '"tf32": torch.backends.cudnn.allow_tf32, ', "")],
        "test_runtimes.py::test_figures_of_a_gpu_name_tf32",
    ),
    undo(
        41,
        "ONNX Runtime goes to the GPU",
        [(RUNTIMES, "CUDA in runtime.devices and ", "")],
        "test_runtimes.py::test_onnxruntime_is_timed_on_the_cpu_of_a_machine_with_a_gpu",
    ),
    undo(
        42,
        "the record has no GPU",
        [("search/execute/environment.py", "nvidia.described(nvidia.visible())", '""')],
        "test_environment.py::test_the_machine_record_names_gpus",
    ),
    undo(
        42,
        "slices count as one GPU",
        [(GPUS, "return len(slices) or torch.cuda.device_count()", "return torch.cuda.device_count()")],
        "test_gpus.py::test_slices_count_although_cuda_shows_one",
    ),
    undo(
        42,
        "a batch that is too large is named by nothing",
        [("search/execute/ray/train_group.py", 'if gpus.failure(error) != "memory":', "if True:")],
        "test_train_group.py::test_a_gpu_that_is_too_small_for_its_part_is_told",
    ),
)
