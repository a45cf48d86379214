"""English."""

from typing import Final

WORDS: Final = {
    # what a thing is called
    "language.name": "English",
    "duration.seconds": "{seconds} s",
    "duration.minutes": "{minutes} min",
    "duration.hours": "{hours} h {minutes} min",
    "list.two": "{first}, {second}",
    "model.untrained": "untrained test checkpoint: shows the machinery, not pictures",
    "model.line": "Model: {model}",
    # requests that are turned down: what happened, what to do
    "refused.picture_none": "There is no picture yet. Add one and try again.",
    "refused.picture_address": "{path} is an address. Download the picture first, and give the name of its file.",
    "refused.picture_gone": "The picture of that film is no longer here. Choose another one.",
    "refused.picture_missing": "There is no file at {path}. Check the name and try again.",
    "refused.picture_folder": "{path} is a folder. Name one picture inside it.",
    "refused.picture_unreadable": "{path} cannot be read. Check that it is an ordinary file and that you may open it.",
    "refused.picture_too_big": "This file has {got_mib} MiB, and the limit is {limit_mib} MiB. Send a smaller picture.",
    "refused.picture_empty": "This file is empty: 0 bytes. Save or send the picture again.",
    "refused.picture_unknown": (
        "This file is not a kind of picture I can read. Send a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF."
    ),
    "refused.picture_too_heavy": (
        "This picture takes too much memory or time to open. Save a smaller copy, as JPEG or PNG."
    ),
    "refused.picture_damaged": "This picture is damaged or incomplete. Save or send it again.",
    "refused.picture_too_many_pixels": (
        "This picture is {width}×{height}, which is {got} megapixels, and the limit is {limit}. Send a smaller one."
    ),
    "refused.picture_too_small": (
        "This picture is {width}×{height} pixels, and its short side needs at least {least}. Send a larger one."
    ),
    "refused.picture_too_long": (
        "This picture is {width}×{height}: its long side is more than {limit} times the short one. Crop it "
        "and try again."
    ),
    "refused.picture_heic": "HEIC pictures cannot be read here. On an iPhone, share it as JPEG, or send a screenshot.",
    "refused.picture_avif": "AVIF pictures cannot be read here. Send a JPEG or PNG.",
    "refused.prompt_too_long": "The text has {got} characters, and the limit is {limit}. Make it shorter.",
    "refused.prompt_too_late": (
        "The text names second {got}, but the film ends at {seconds} s. Ask for a longer film or an earlier moment."
    ),
    "refused.blocked_word": "Your text has a word that is not allowed here. Change it and try again.",
    "refused.seconds": "A film can be up to {longest} s long; you asked for {got}.",
    "refused.seconds_none": (
        "A film has to be longer than 0 s; you asked for {got}. Write a number such as 5, at most {longest}."
    ),
    "refused.seconds_no_number": "{got} is not a number of seconds. Write one such as 5 or 2.5, at most {longest}.",
    "refused.seed": "The seed has to be a whole number from 0 to {limit}. You gave {got}.",
    "refused.quality": "There is no quality called {got}. Choose one of these: {qualities}.",
    "refused.unknown_model": "There is no model called {name}. Choose one of these, or a folder: {known}.",
    "refused.unsuited": "This model cannot make that film: {why} Change the settings and try again.",
    "refused.disk_full": (
        "The disk has {free_mib} MiB left, and a new film needs {need_mib} MiB. Try again once there is more room."
    ),
    "refused.queue_full": "{got} films are in line, and the limit is {limit}. Try again when one is ready.",
    "refused.queue_full_user": (
        "{got} of your films are in line, and the limit is {limit}. Cancel one, or wait until one is ready."
    ),
    "refused.queue_full_chat": "This chat has {got} films in line, and the limit is {limit}. Wait for one to be ready.",
    # not now: the number, and when
    "refused.queue_full_until": "{got} films are in line, and the limit is {limit}. Try again in about {wait}.",
    "refused.queue_full_user_until": (
        "{got} of your films are in line, and the limit is {limit}. Cancel one, or try again in about "
        "{wait}, when one is ready."
    ),
    "refused.queue_full_chat_until": (
        "This chat has {got} films in line, and the limit is {limit}. Try again in about {wait}."
    ),
    "refused.too_soon": "The limit is one film every {limit_s} seconds. Try again in {wait}.",
    "refused.day_used": (
        "You have used {got_s} of the {limit_s} seconds of GPU time that one person has within 24 hours. Try "
        "again in {wait}."
    ),
    "refused.duplicate": "You asked for the very same film a moment ago: it is film {job}. Try another seed.",
    "refused.draining": "No new films are taken in at the moment. Those in line will be finished; try again later.",
    "refused.draining_because": "No new films are taken in at the moment: {reason}. Those in line will be finished.",
    "refused.banned": "You may not ask for films here: {reason}. Ask the people who run this bot.",
    "refused.banned_until": "You may not ask for films here until {until}, for {wait} more: {reason}.",
    "ban.no_reason": "no reason was given",
    "refused.port_in_use": "Port {port} on {host} is already taken. Choose another one in [web] port, or 0 for any.",
    "refused.address": "The page cannot be opened at {host}:{port}. Check [web] host and port in the configuration.",
    "refused.output_folder": "There is no folder {path}. Create it first, or choose another place for the film.",
    "refused.output_is_folder": "{path} is a folder. Give the film a file name, such as film.mp4.",
    "refused.output_kind": "A film is an MP4, so it cannot be saved as {path}. Name it {name}.",
    "refused.output_no_file": "{path} is not a file that a film could replace. Choose another name, such as film.mp4.",
    "refused.output_is_picture": "{path} is the picture itself. Give the film another name, such as film.mp4.",
    "refused.output_unwritable": "{path} cannot be written. Choose another place for the film.",
    "refused.upload_too_big": "The upload is larger than {limit_mib} MiB. Send a smaller picture.",
    "refused.upload_broken": "The upload arrived incomplete or in a form I cannot read. Please try again.",
    "refused.field_too_big": "One of the fields is far too long. Make it shorter and try again.",
    "refused.data_dir": "The data folder {path} cannot be used: {why}. Choose another one with --data-dir.",
    "refused.no_copy": "--from names the folder {path}, which does not exist.",
    "refused.licence": "The licence was not accepted, so nothing was fetched.",
    "refused.licence_unasked": "The licence must be accepted first. Read it, and add --accept-licence.",
    "refused.several_models": (
        "{at} is on this database with the model {served}, and here it is {got}: give both the same [model] name and "
        "version, or end that one first."
    ),
    "refused.model_changed": (
        "The model was changed here, from {served}, which the others on this database have, to {got}: this process "
        "ends. Give all the same version, and start it again."
    ),
    "refused.worker_media": (
        "This process keeps its files in {place}, where the others have none: give all the same [media] url, "
        "a bucket or a folder that all can reach."
    ),
    "refused.move_nowhere": (
        "{path} names the database that is used already: name another one in it, under [database] url."
    ),
    "refused.other_model": "The service running here uses {served}, not {got}. Stop it first, or leave --model out.",
    "refused.served_size": "The service running here decides the size. Stop it first, or leave --size out.",
    "refused.no_such_page": "There is nothing at this address. The start page is a good place to go on.",
    "refused.no_such_job": "This film is not here: it may be gone, or it belongs to somebody else.",
    "refused.latents_gone": (
        "This film is too old to continue: what that takes is not kept for so long. It can be made again "
        "from the start."
    ),
    "refused.no_film_yet": "There is no film to see yet. Come back after its first second is ready.",
    "refused.film_gone": "The file of this film is not here any more. Make the film again to see it.",
    "refused.job_over": "This film has already ended, so there is nothing to stop.",
    "refused.ended_meanwhile": (
        "This film ended before it could be cancelled, so nothing was deleted. To delete it, open Details."
    ),
    "chat.is_now": "Film {job}: {state}",
    # making a film again, longer or otherwise
    "refused.not_yours": "Only the person who asked for this film, or a moderator here, can do that.",
    "refused.still_growing": "This film is still growing. Wait until it is ready, or stop it here first.",
    "refused.film_is_whole": "This film is already complete. Ask for more seconds, another text or a new seed.",
    "refused.made_backwards": "This film is made from its end, so only a new seed or text for all of it can change it.",
    "refused.made_by_other_model": (
        "{made} made this film, and {loaded} is what runs now. Send the picture again to make a new one."
    ),
    "refused.long_enough": "This film has {got} s, and the limit is {longest} s, so it cannot be made longer.",
    "refused.too_long_to_extend": "The film would have {got} s then, and the limit is {longest} s. Add fewer seconds.",
    "refused.steer_over": "This film has ended or is about to. Extend it to say what happens next.",
    "refused.steer_too_late": "The last part is already being made. Extend the film when it is ready.",
    "refused.method": "This address does not work that way. Go back to the start page and try from there.",
    "refused.wrong_host": "This page answers only under its own address. Open {url}.",
    "refused.wrong_origin": "That request came from another site, so it was not carried out. Open {url} and try there.",
    "refused.too_busy": "Too many pictures are being looked at right now. Try again in a few seconds.",
    "refused.end_picture": "{model} cannot end a film on a picture. Leave the end picture out, or use framepack.",
    "refused.takes_no_jobs": "This machine makes films but takes no requests. Ask where the front-end runs.",
    "refused.not_allowed": "You may not do that here. Check that the token is the right one.",
    "refused.managers_only": "Only people who manage this server can do that.",
    "refused.request": "The browser sent something I cannot make sense of. Reload the page and try again.",
    "refused.trouble": "Something went wrong on this side and was written down. Try again in a moment.",
    # beside a result
    "note.first_frame_used": "The picture is animated, so only its first frame is used.",
    "note.text_unmade": (
        "This was left out, because it is too close to the next moment or to the end: {text}. "
        "Give each moment at least two seconds."
    ),
    # what a job does now
    "state.received": "received",
    "state.queued": "in line",
    "state.running": "being made",
    "state.done": "ready",
    "state.stopped": "stopped",
    "state.failed": "failed",
    "state.cancelled": "cancelled",
    "headline.received": "Looking at your picture",
    "headline.next": "Next in line",
    "headline.queued": "Number {place} in line",
    "headline.paused": "Paused. Nothing is lost, it goes on by itself",
    "headline.paused_because": "Paused: {why}. Nothing is lost, it goes on by itself",
    "headline.again": "{seconds_done} of {seconds_total} s are ready, waiting for the next turn",
    "headline.warming": "Getting ready",
    "headline.loading": "Loading the model",
    "headline.reading": "Reading the text and the picture",
    "headline.first": "Drawing the first second",
    "headline.growing": "{seconds_done} of {seconds_total} s are ready",
    "headline.finishing": "{seconds_done} of {seconds_total} s are ready, finishing the file",
    "headline.stopping": "Stopping here, keeping what is ready",
    "headline.cancelling": "Cancelling",
    "headline.done": "Your film is ready: {seconds_done} s",
    "headline.stopped": "Stopped at {seconds_done} s, and that is your film",
    "headline.cancelled": "Cancelled",
    "headline.failed": "This film could not be finished",
    "headline.failed_kept": "This film could not be finished, {seconds_done} s of it are kept",
    "eta.first": "First second in about {first}, all of it in about {left}",
    "eta.next": "It goes on in about {next} and is ready in about {left}",
    "eta.left": "about {left} left",
    # a job's message in a chat: its lines, its buttons, the ping at its end
    "chat.checking": "Checking your picture…",
    "chat.ready": "ready {when}",
    "chat.first": "first second {when}",
    "chat.next": "next second {when}",
    "chat.goes_on": "goes on {when}",
    "chat.watch": "Watch it here for seven days: {link}",
    "chat.clock": "{clock} UTC",
    "chat.in": "in {left}",
    "chat.paused": "The queue is paused: {reason}. Your place ({place}) is kept.",
    "chat.paused_plain": "for now",
    "chat.restarted": "The bot was restarted and goes on from here.",
    "chat.parent": "made from film {job}",
    "chat.asked_in": "asked for in {place}",
    "chat.from_its_end": "Made from its end, so the last second comes first.",
    "chat.stopped_by": "stopped by {person}",
    "chat.cancelled_by": "cancelled by {person}",
    "chat.seed": "seed {seed}",
    "chat.took": "took {took}",
    "chat.ai": "AI-animated",
    "chat.job": "film {job}",
    "chat.job_yours": "film {job} (yours)",
    "chat.too_big": "The film is larger than this chat takes ({limit_mib} MiB), so it cannot be shown here.",
    "chat.ping_ready": "{person}, your film of {seconds} s is ready.",
    "chat.ping_failed": "{person}, your film could not be finished.",
    "chat.woken": "The film in this message goes on.",
    "chat.cancel_sure": "Cancel film {job}? {seconds} s of it are ready.",
    "chat.cancel_keep": "Cancel, keep the {seconds} s",
    "chat.cancel_delete": "Cancel and delete",
    "chat.cancel_not": "Don't cancel",
    "chat.not_cancelled": "Film {job} is not cancelled.",
    "chat.button.stop": "Stop here",
    "chat.button.cancel": "Cancel",
    "chat.button.steer": "Change what happens next",
    "chat.button.seed": "New seed",
    "chat.button.edit": "Edit prompt",
    "chat.button.extend": "Extend +{seconds} s",
    "chat.button.details": "Details",
    "chat.button.again": "Run again",
    "chat.button.retry": "Retry",
    "chat.button.report": "Report a problem",
    "quality.draft": "draft",
    "quality.standard": "standard",
    "quality.best": "best",
    "quality.typed": "{called} ({name})",
    # why a job failed: what happened, what to do
    "failed.out_of_memory": "The graphics card ran out of memory. Try a lower quality, or close what else uses it.",
    "failed.checkpoint_missing": "The model is not on this machine. Run flipbot download to get it.",
    "failed.checkpoint_incomplete": "The model is not complete, {file} is missing. Run flipbot download again.",
    "failed.checkpoint_corrupt": "A file of the model is damaged: {file}. Delete it and run flipbot download again.",
    "failed.unknown_model": "There is no model called {name}. The configuration can name one of these: {known}.",
    # the memory plan
    "failed.memory_taken": (
        "Other programs hold the memory that the model needs ({need} GiB of {kind}). Ask for the film again later."
    ),
    "failed.too_little_memory": "The model does not fit into this machine's memory: it needs {need} GiB of {kind}, and "
    "{have} GiB may be taken. Its owner can run flipbot doctor for the plan.",
    "failed.bad_precision": "The precision {precision} does not work on this machine: {why}.",
    "failed.device_missing": "The device {device} is not there. Run flipbot doctor to see what this machine has.",
    "failed.download_failed": "The model could not be fetched: {what}. Run flipbot download again.",
    "failed.lora_unusable": "A LoRA of the configuration cannot be used: {file} {why}.",
    "failed.attention_missing": (
        "The attention kernel {name} cannot be used here: {why}. Run flipbot doctor to see more."
    ),
    "failed.sampling_not_supported": "This model cannot make a film from its end. Leave out the end picture.",
    "failed.picture_unreadable": "The picture could not be opened again. Send it once more.",
    "failed.picture_held_back": (
        "This bot looks at pictures before it animates them, and held this one back. It may be mistaken: try another "
        "picture, or ask whoever runs it."
    ),
    "failed.film_held_back": (
        "This bot looks at films before it shows them, and held the next second back. It may be mistaken: try another "
        "seed or another text."
    ),
    "failed.check_unusable": (
        "Pictures are to be looked at before they are animated, and cannot be: {file} {why}. Run flipbot doctor."
    ),
    "failed.disk_full": "The disk is full. Free some space and ask for the film again.",
    "failed.encoder_failed": "The film could not be written to its file. Try again, and run flipbot doctor.",
    "failed.text_encoder_died": "The text could not be read: that process ended twice. Run flipbot doctor.",
    "failed.nan_latents": (
        "The picture broke up while it was drawn. Try another seed; where that does not help, flipbot doctor says more."
    ),
    "failed.worker_crashed": "The engine stopped three times at the same place. Try another seed or a lower quality.",
    "failed.size_not_supported": "This model cannot make that size. Try another quality.",
    "failed.bad_plan": "This model cannot make that film. Try other settings.",
    "failed.other_model": "{made} made this film, and {loaded} is what runs now. Send the picture again.",
    "failed.limit_too_small": "A film of {seconds} s cannot be made small enough for the {limit_mib} MiB allowed here.",
    "failed.sections_missing": "An earlier part of this film is no longer on the disk. Ask for it again.",
    "failed.section_lost": "Finished parts of this film were damaged on the disk, again and again. Check the disk.",
    # trouble of the machine
    "headline.no_room": "Waiting: the disk is full. It goes on by itself when there is room",
    "headline.held_up": "Waiting: the disk cannot be written to. It goes on by itself",
    "headline.media_away": "Waiting: the place where films are kept does not answer. It goes on by itself",
    "headline.database_away": "Waiting: the queue's database does not answer. It goes on by itself",
    "headline.continuing": "A finished part was damaged on the disk; continuing from the last good one",
    "headline.engine_again": "The engine stopped and is started again; nothing is lost",
    "headline.smaller": "The memory ran out; trying again with less",
    "headline.engine_away": (
        "Waiting: the machine that makes films has a problem. It goes on by itself once that is solved"
    ),
    "headline.memory_taken": (
        "Waiting: other programs hold the memory of the machine that makes films. It goes on by itself when they end"
    ),
    "headline.resting": "Waiting for the hours in which films are made",
    "headline.in_use": (
        "Waiting: the machine that makes films is in use for something else. It goes on by itself afterwards"
    ),
    "headline.model_gone": "Waiting: the model's files are not all here now. It goes on by itself when they are",
    "headline.other_model": "Waiting for the model {model}, which is not running now. It goes on when that one does",
    "failed.service_died": (
        "The whole service stopped {deaths} times while this part was being made. "
        "Try a lower quality or a shorter film."
    ),
    "failed.disk_failed": "The disk cannot be used. Check it, and ask for the film again.",
    "failed.machine_short": "The machine has run out of memory or open files. Ask for the film again later.",
    "failed.database_away": "The queue's database cannot be reached. Check its server, and ask for the film again.",
    "failed.database_busy": "The queue is locked by another program. End that program, and ask for the film again.",
    "failed.media_away": "The place where films are kept did not answer. Ask for the film again.",
    "refused.media_away": (
        "The place where pictures and films are kept does not answer. Nothing is lost; try again in a minute."
    ),
    "refused.held_up": "Nothing can be saved right now: the disk or the queue does not answer. Try again in a minute.",
    "trouble.disk": "The disk is nearly full: films wait until there is room.",
    "failed.engine_failed": "The engine could not make this film. Try again, and run flipbot doctor.",
    "failed.worker_lost": "The engine stopped answering. Try again, and run flipbot doctor.",
    "failed.internal": "Something went wrong on this side and was written down. Try again.",
    "failed.cancelled": "The film was cancelled before it was ready.",
    "failed.unknown": "Something unexpected happened ({reason}). Try again, and if it stays, tell the owner.",
    "failed_here.out_of_memory": (
        "The graphics card ran out of memory. Try a lower quality or a shorter film; if it stays, tell "
        "whoever runs this bot."
    ),
    "failed_here.nan_latents": (
        "The picture broke up while it was drawn. Try another seed; if it stays, tell whoever runs this bot."
    ),
    "failed_here.engine": "The film could not be made. Try again; if it stays, tell whoever runs this bot.",
    "failed_here.model": "The model cannot be used right now. Please tell whoever runs this bot.",
    "failed_here.machine": "The machine cannot run this model as it is set up. Please tell whoever runs this bot.",
    "failed_here.disk_full": "The disk is full. Please tell whoever runs this bot.",
    "failed_here.disk": "The disk cannot be used. Please tell whoever runs this bot.",
    "failed_here.no_worker": "No machine makes films right now. Films wait until one does.",
    "failed_here.database": "The queue does not answer. Please tell whoever runs this bot.",
    # Discord: commands and options with what they say of themselves, forms, answers
    "refused.permissions": (
        "I may not post in {channel}: {missing} is missing. Ask an admin for it, or try another channel."
    ),
    "refused.adults_only": "This film was made in an age-restricted channel and is not shown outside of one.",
    "refused.channel": "Films are made in {channels} on this server. Ask for yours there.",
    "refused.picture_fetch": "The picture could not be fetched from Discord. Send it once more.",
    "refused.picture_host": "Only pictures uploaded to Discord can be used. Attach the picture itself.",
    "refused.no_picture_there": "There is no picture in that message. Choose one that has a picture attached.",
    "refused.no_film_there": "That message shows no film of mine. Choose the message in which the film is.",
    "refused.operators_only": "Only those who run the machine can do that. Ask them.",
    "discord.name.animate": "animate",
    "discord.name.queue": "queue",
    "discord.name.cancel": "cancel",
    "discord.name.history": "history",
    "discord.name.settings": "settings",
    "discord.name.help": "help",
    "discord.name.privacy": "privacy",
    "discord.name.forget_me": "forget-me",
    "discord.name.studio": "studio",
    "discord.name.status": "status",
    "discord.name.pause": "pause",
    "discord.name.now": "now",
    "discord.name.resume": "resume",
    "discord.name.drain": "drain",
    "discord.name.priority": "priority",
    "discord.name.ban": "ban",
    "discord.name.unban": "unban",
    "discord.name.limits": "limits",
    "discord.name.channels": "channels",
    "discord.name.config": "config",
    "discord.name.image": "image",
    "discord.name.prompt": "prompt",
    "discord.name.seconds": "seconds",
    "discord.name.quality": "quality",
    "discord.name.seed": "seed",
    "discord.name.end_image": "end_image",
    "discord.name.spoiler": "spoiler",
    "discord.name.deliver": "deliver",
    "discord.name.job": "job",
    "discord.name.reason": "reason",
    "discord.name.user": "user",
    "discord.name.hours": "hours",
    "discord.name.notify": "notify",
    "discord.name.language": "language",
    "discord.name.user_jobs": "user_jobs",
    "discord.name.channel": "channel",
    "discord.name.delete_cancels": "delete_cancels",
    "discord.name.keep_cancelled": "keep_cancelled",
    "discord.name.role": "role",
    "discord.name.allowed": "allowed",
    "discord.menu.animate": "Animate image",
    "discord.menu.report": "Report film",
    "discord.about.animate": "Turn a picture into a film that grows here, second by second",
    "discord.about.queue": "What is being made and what is waiting",
    "discord.about.cancel": "Cancel one of your films",
    "discord.about.history": "Your latest films, to show one of them again",
    "discord.about.settings": "Your own defaults, when you are pinged, and your language",
    "discord.about.help": "How this works",
    "discord.about.privacy": "What is kept about you, and for how long",
    "discord.about.forget_me": "Delete everything that is kept about you",
    "discord.about.studio": "For those who run this server",
    "discord.about.status": "What the studio is doing now",
    "discord.about.pause": "Start nothing new; places in line are kept",
    "discord.about.now": "Give up the second that is under way, too; it is made again later",
    "discord.about.resume": "Go on",
    "discord.about.drain": "Take in nothing new; finish what is in line",
    "discord.about.studio_cancel": "Cancel anybody's film",
    "discord.about.priority": "Make this film next",
    "discord.about.ban": "Stop somebody from asking for films here",
    "discord.about.unban": "Let somebody ask for films again",
    "discord.about.limits": "What one person may ask for on this server",
    "discord.about.channels": "In which channels films may be asked for",
    "discord.about.config": "What is configured, and what was done lately",
    "discord.about.server_prompt": "The prompt of films that come without one; - for the bot's own",
    "discord.about.delete_cancels": "Whether deleting a growing film's message cancels the film",
    "discord.about.keep_cancelled": "Whether what is ready of a cancelled film stays in its message",
    "discord.about.role": "Only for those who have this role; the most generous of somebody's roles counts",
    "discord.about.image": "The picture to begin with",
    "discord.about.prompt": "What should happen: fog rolls in | 3s: night falls",
    "discord.about.seconds": "Length of the film",
    "discord.about.quality": "Better takes longer",
    "discord.about.seed": "The same number gives the same film",
    "discord.about.end_image": "The picture to end with",
    "discord.about.spoiler": "Hide it until it is clicked",
    "discord.about.deliver": "Where the film is shown",
    "discord.about.job": "Number of the film",
    "discord.about.reason": "Why",
    "discord.about.user": "Who",
    "discord.about.hours": "For how many hours; leave it empty for a permanent ban",
    "discord.about.notify": "How you hear that a long film is ready",
    "discord.about.language": "The language I speak with you",
    "discord.about.user_jobs": "Films of one person in line",
    "discord.about.server_seconds": "The longest film",
    "discord.about.channel": "The channel to change",
    "discord.about.allowed": "Whether films may be asked for there",
    "discord.choice.here": "here",
    "discord.choice.dm": "by direct message",
    "discord.choice.ping": "ping me",
    "discord.choice.silent": "silently",
    "discord.choice.off": "not at all",
    "discord.form.which": "Which picture?",
    "discord.form.prompt": "What should happen?",
    "discord.form.seconds": "Seconds",
    "discord.form.quality": "Quality",
    "discord.form.seed": "Seed",
    "discord.modal.edit": "Edit the prompt",
    "discord.modal.edit.prompt": "What should happen?",
    "discord.modal.steer": "What happens next?",
    "discord.modal.steer.prompt": "From here on",
    "discord.modal.report": "Report this film",
    "discord.modal.report.reason": "What is wrong with it?",
    "discord.permission.view_channel": "View Channel",
    "discord.permission.send_messages": "Send Messages",
    "discord.permission.send_messages_in_threads": "Send Messages in Threads",
    "discord.permission.attach_files": "Attach Files",
    "discord.permission.read_message_history": "Read Message History",
    "discord.to_dm": "Your film will come by direct message.",
    "discord.accept": "I agree",
    "discord.terms": (
        "Before the first film: you have the right to animate this picture, it shows no real person who "
        "has not agreed, and nothing sexual. Films are marked as made by AI. More: /privacy"
    ),
    "discord.accepted": "Thank you. Now ask for your film once more.",
    "discord.cancel_drops": (
        "Cancel film {job}? Its {seconds} s go out of the message, as this server is set up, and are kept "
        "until you delete them. Stop here, under the film, leaves them there."
    ),
    "discord.sure_cancel": "Cancel the film",
    "discord.delete": "Delete this film",
    "discord.deleted": "The film is deleted.",
    "discord.steered": "Noted: the rest of film {job} follows your new text.",
    "discord.reported": "Thank you. The moderators will look at it.",
    "discord.report": "Film {job} was reported by {user} (it belongs to {owner}). {link}",
    "discord.cancelled": "Film {job} is cancelled.",
    "discord.cancelled_keeps": (
        "Film {job} is cancelled. The {seconds} s that were ready stay in its message; you can delete them "
        "under Details there."
    ),
    "discord.cancelled_drops": (
        "Film {job} is cancelled. The {seconds} s that were ready go out of its message and are kept; you "
        "can delete them under Details there."
    ),
    "discord.no_films": "You have no films here yet. Begin with /animate.",
    "discord.history": "Choose a film to show it here again.",
    "discord.more": "and {count} more",
    "discord.settings": (
        "Your films are {seconds} s long, at quality {quality}, unless you say otherwise. When a long one is "
        "ready: {notify}. Language: {language}. To change that: /settings with seconds, quality, notify or language."
    ),
    "discord.help": (
        "**/animate** takes a picture and what should happen, and a film grows in the message.\nA bar and "
        "a time begin something new: `fog rolls in | 3s: night falls`\n**Stop here** keeps what is ready, "
        "**Change what happens next** tells the rest something else, **Extend** goes on from the end.\nAny "
        "picture in the chat: its menu, Apps, Animate image.\n**/queue**, **/cancel**, **/history**, **/settings**, "
        "**/privacy**, **/forget-me**"
    ),
    "discord.privacy": (
        "What is kept: your user ID, your pictures and texts, the films made of them, your settings, and when you "
        "accepted the terms. It is used to make your films and to stop abuse. It stays with the owner of this bot "
        "and is never used for training.\n"
        "**/forget-me** deletes all of it, messages included. Only a ban stays and, for a day and without your "
        "name, how much GPU time you used. A single film: Details, Delete this film."
    ),
    "discord.forget": "Delete everything",
    "discord.forget_sure": (
        "This deletes your films, pictures and settings, and takes the messages away. It cannot be undone."
    ),
    "discord.forgotten": "Everything about you is deleted, {count} films included.",
    "discord.status.open": "Open: films are taken in and made.",
    "discord.status.paused": "Paused.",
    "discord.status.paused_because": "Paused: {reason}",
    "discord.status.draining": "Nothing new is taken in.",
    "discord.status.draining_because": "Nothing new is taken in: {reason}",
    "discord.status.shut": "Paused, and nothing new is taken in.",
    "discord.status.shut_because": "Paused, and nothing new is taken in: {reason}",
    "discord.status.queue": "{running} being made, {waiting} waiting",
    "discord.paused": "Paused. Places in line are kept; /studio resume goes on.",
    "discord.resumed": "It goes on.",
    "discord.drained": "Nothing new is taken in; what is in line will be finished.",
    "discord.prioritised": "Film {job} is next.",
    "discord.banned": "{user} may not ask for films any more.",
    "discord.unbanned": "{user} may ask for films again.",
    "discord.limits": "Limits of this server: {limits}",
    "discord.limits_role": "Limits of {role}: {limits}",
    "limit.none": "none of its own",
    "limit.queued_per_user": "{value} at once per person",
    "limit.queued_per_chat": "{value} at once per chat",
    "limit.gpu_seconds_per_day": "{value} s of computing a day",
    "limit.cooldown_s": "{value} s between two films",
    "limit.longest_seconds": "films up to {value} s",
    "discord.channels_all": "Films may be asked for in every channel.",
    "discord.channels": "Films may be asked for in: {channels}",
    "discord.server_prompt": "Without a prompt of their own, films get: {prompt}",
    "discord.delete_cancels": "Deleting the message of a growing film cancels it.",
    "discord.delete_keeps": "A film whose message is deleted is finished and posted again.",
    "discord.keeps_cancelled": "What is ready of a cancelled film stays in its message.",
    "discord.drops_cancelled": "A cancelled film goes out of its message but is kept until it is deleted.",
    "discord.config": "Films up to {longest} s, {per_user} in line per person, qualities: {qualities}",
    # the page
    "page.title": "Flipbot",
    "page.tagline": "A picture becomes a film, second by second.",
    "page.home": "New film",
    "page.skip": "Skip to the content",
    "page.drop": "Drop a picture here, paste one, or choose a file",
    "page.drop_hint": "JPEG, PNG, WebP and others, up to {limit_mib}\u00a0MiB",
    "page.choose": "Choose a picture",
    "page.another": "choose another",
    "page.no_picture": "That file cannot be shown: it is no picture, or a damaged one. Choose another.",
    "page.stays": "The picture chosen before stays.",
    "page.prompt": "What should happen?",
    "page.prompt_placeholder": "fog rolls in | 3s: night falls",
    "page.prompt_hint": "Empty means gentle motion. “| 3s:” begins a new moment.",
    "page.examples": "Try one of these",
    "page.seconds": "Seconds",
    "page.seconds_hint": "up to {longest}",
    "page.seed": "Seed",
    "page.seed_hint": "random when empty",
    "page.quality": "Quality",
    "page.start": "Make the film",
    "page.sending": "Sending your picture",
    "page.films": "Your films",
    "page.no_films": "Nothing here yet. Your films will appear here.",
    "page.stop": "Stop here",
    "page.stop_hint": "{stop}: keeps what is ready",
    "page.cancel": "Cancel",
    "page.cancel_sure": "Cancel, keep what is ready?",
    "page.download": "Download",
    "page.share": "AI‑animated",
    "page.preview": "The next second, while it is drawn",
    "page.step": "Step {step} of {of}",
    "page.film": "Your film",
    "page.original": "The picture it began with",
    "page.settings": "{seconds} s, seed {seed}",
    "page.no_prompt": "gentle motion",
    "page.offline": "The connection to Flipbot is gone. Trying again.",
    "page.paused": "Flipbot is paused. A new film keeps its place in line and is made later.",
    "page.paused_because": "Flipbot is paused: {reason}. A new film keeps its place in line and is made later.",
    # to operators, by the bot itself
    "alarm.waits": "No films are being made. {what}. Films in line: {count}. flipbot doctor says what to do.",
    "alarm.fails": "The last {count} films failed for the same reason. {why} flipbot doctor says more.",
    "alarm.over": "Films are being made again.",
    "page.resting": (
        "Films are made at certain hours, and again in about {wait}. A new film keeps its place in line until then."
    ),
    "page.in_use": (
        "The machine that makes films is in use for something else. A new film keeps its place in line and is made "
        "later."
    ),
    "page.shut": "Flipbot is paused and takes in no new films. Try again later.",
    "page.shut_because": "Flipbot is paused and takes in no new films: {reason}. Try again later.",
    "page.untrained": "This is an {sentence}.",
    "page.back": "To the start page",
    # the page: the password, going on with a film, the gallery, links, the owner's window
    "refused.password_needed": (
        "Others can reach the page at {host}, so it needs a password. "
        'Set [web] password or FLIPBOT_PASSWORD, or host = "127.0.0.1".'
    ),
    "refused.password_needed_public": (
        "At {url} others can reach the page, so it needs a password. "
        "Set [web] password or FLIPBOT_PASSWORD, or leave public_url empty."
    ),
    "refused.guests_alone": (
        "[web] guest_password lets guests in beside the owner, so it needs [web] password, too. "
        "Set both, or leave guest_password empty."
    ),
    "refused.guests_own": (
        "[web] password and guest_password are the same, so every guest would be the owner. Change one of the two."
    ),
    "refused.owner_only": "This is for the owner alone. Sign out, then sign in with the owner's password.",
    "refused.wrong_password": "That is not the password. Try again.",
    "refused.no_password": "This needs a password. Set [web] password in the configuration and start Flipbot again.",
    "refused.sign_in": "Sign in first.",
    "refused.form_expired": "This form is too old, or not from this page. Reload the page and try again.",
    "refused.too_often": "Too many tries within a minute. Wait a little and try again.",
    "refused.streams_yours": (
        "You are already watching {limit} films as they grow, and that is the limit. Close some of those pages."
    ),
    "refused.streams_full": "Too many people are watching right now. This page tries again by itself.",
    "refused.no_public_url": "Films have no links here. The owner can set [web] public_url in the configuration.",
    "refused.link_over": "This link does not lead to a film any more. Ask for a new one.",
    "page.nav": "Pages",
    "page.gallery": "Your films",
    "page.all_films": "All your films",
    "page.more": "More films",
    "page.none_found": "None of your films has this in its text.",
    "page.search": "Search in the texts",
    "page.find": "Search",
    "page.remix": "Use again",
    "page.delete": "Delete",
    "page.delete_sure": "Delete for good?",
    "page.sign_in": "Sign in",
    "page.sign_out": "Sign out",
    "page.signed_out": "You are signed out. Your films stay with this browser: sign in here to see them again.",
    "page.language": "English",
    "page.languages": "Language",
    "page.password": "Password",
    "page.details": "More settings",
    "page.camera": "Take a photo",
    "page.end": "Picture at the end",
    "page.end_hint": "the film ends with it",
    "page.keep_end": "End with the same picture, if no other one is chosen",
    "page.end_left": "That film ended with a picture of its own; {model} cannot do that.",
    "page.moment": "Add a next moment",
    "page.moment_unit": "s:",
    "page.steer": "Change what happens next",
    "page.next_text": "What should happen next?",
    "page.do_steer": "Change it",
    "page.steered": "The rest of the film follows the new text.",
    "page.extend": "Extend by {seconds} s",
    "page.longer": "Extend with another text",
    "page.longer_hint": "Empty: it goes on as it was.",
    "page.longer_seconds": "Seconds more",
    "page.do_longer": "Extend it",
    "page.redo": "Redo the last second",
    "page.finish": "Finish it",
    "page.another_film": "Make another version",
    "page.new_seed": "New seed",
    "page.edit": "Edit prompt",
    "page.do_edit": "Make it with this text",
    "page.copy": "Copy settings",
    "page.copied": "Copied:",
    "page.link": "Link to the film",
    "page.link_copied": "Copied, good for a week:",
    "page.link_hint": "Whoever has this link can see the film, for a week.",
    "page.link_label": "Link",
    "page.back_to_film": "Back to the film",
    "admin.title": "Service",
    "admin.open": "Open",
    "admin.paused": "Paused: no new section is started",
    "admin.draining": "Draining: nothing new is taken in",
    "admin.shut": "Paused and draining: no new section is started, nothing new is taken in",
    "admin.server": "Server {server}",
    "admin.open_films": "Waiting or running: {count}",
    "admin.reason": "Reason (shown to everybody)",
    "admin.pause": "Pause",
    "admin.pause_now": "Pause at once",
    "admin.resume": "Open again",
    "admin.resume_both": "Lift both",
    "admin.drain": "Drain",
    "admin.machine": "This machine",
    "admin.model": "Model",
    "admin.memory": "Memory",
    "admin.memory_of": "{got} GiB used by Flipbot, {free} GiB free",
    "admin.disk": "Films and files",
    "admin.disk_of": "{got} GiB, {free} GiB free",
    "admin.films": "Films {state}",
    "admin.engines": "GPU and memory plan",
    "admin.no_engine": "No model is loaded yet. That happens with the first film.",
    "admin.no_gpu": "no GPU, the processor computes",
    "admin.precision": "Precision",
    "admin.blocks": "Blocks",
    "admin.all_blocks": "all {blocks} stay in memory",
    "admin.some_blocks": "{resident} of {blocks} stay on the GPU, {streamed} GiB travel in every step",
    "admin.vram": "GPU memory",
    "admin.ram": "Memory (RAM)",
    "admin.planned": "{planned} GiB planned of {limit} GiB, {seen} GiB seen at most",
    "admin.to_come": "{planned} GiB planned of {limit} GiB",
    "admin.loaded": "Loaded",
    "admin.freed": "Given back",
    "admin.plan": "What it is planned for",
    "admin.part.blocks": "blocks that stay",
    "admin.part.slots": "room for those that travel",
    "admin.part.tables": "tables of the prompts",
    "admin.part.embedders": "embedders and head",
    "admin.part.vae": "VAE",
    "admin.part.once": "sampling and decoding, at their peak",
    "admin.uptime": "Running for",
    "admin.queue": "In line, in the order of their turns",
    "admin.empty": "Nothing is in line.",
    "admin.nothing": "Nothing yet.",
    "admin.film": "film",
    "admin.who": "who",
    "admin.yours": "yours",
    "admin.text": "text",
    "admin.parts": "parts",
    "admin.what_now": "status",
    "admin.left": "time left",
    "admin.do": "actions",
    "admin.when": "when",
    "admin.why": "why",
    "admin.what": "what",
    "admin.target": "target",
    "admin.first": "First",
    "admin.sessions": "Sessions",
    "admin.sessions_hint": "Ends every session, yours and those of all guests, in all browsers.",
    "admin.sign_out": "Sign out everywhere",
    "admin.section_s": "Seconds per section",
    "admin.in_line": "Films in line at most, last 24 hours",
    "admin.sampling": "sampling",
    "admin.decode": "decoding",
    "admin.encode": "writing",
    "admin.failures": "Last failures",
    "admin.audit": "What operators did",
    "admin.bans": "Bans",
    "admin.ban": "Ban",
    "admin.ban_sure": "Ban for a day?",
    "admin.unban": "Lift the ban",
    "admin.platform": "Platform",
    "admin.user": "ID of the person",
    "admin.days": "For how long",
    "admin.day": "a day",
    "admin.week": "a week",
    "admin.month": "30 days",
    "admin.forever": "for good",
    "admin.everywhere": "everywhere",
    "admin.until": "until {until}",
    "admin.by": "by {by}",
    "admin.doctor": "Doctor",
    "admin.examine": "Examine this machine",
    "admin.did.pause": "paused",
    "admin.did.pause_now": "paused at once",
    "admin.did.resume": "opened again",
    "admin.did.drain": "drained",
    "admin.did.prioritise": "put first",
    "admin.did.cancel": "cancelled",
    "admin.did.ban": "banned",
    "admin.did.unban": "lifted a ban",
    "admin.did.limits": "set limits",
    # telegram
    "telegram.command.animate": "make a film: with a picture, or as a reply to one",
    "telegram.command.queue": "what is being made and what is waiting",
    "telegram.command.cancel": "cancel one of your films",
    "telegram.command.history": "your latest films",
    "telegram.command.settings": "length, quality, language, notifications",
    "telegram.command.help": "how it works",
    "telegram.command.privacy": "what is kept, and for how long",
    "telegram.command.forgetme": "delete everything about you",
    "telegram.command.start": "begin",
    "telegram.command.status": "the state of the queue",
    "telegram.command.pause": "pause the queue: /pause why, or /pause now why",
    "telegram.command.resume": "go on",
    "telegram.command.drain": "finish what is waiting, take in nothing new",
    "telegram.command.ban": "ban somebody: reply to them, or /ban ID hours why",
    "telegram.command.unban": "lift a ban",
    "telegram.command.limits": "the limits in force",
    "telegram.description": (
        "Send me a picture and say what should happen: I turn it into a film that grows second by second. "
        "Everything is made on one graphics card that somebody has at home, so there may be a line."
    ),
    "telegram.short_description": "A picture becomes a film, second by second.",
    "telegram.start": (
        "Send me a picture, and write under it what should happen. The film grows in one message, second by second.\n"
        "Send the picture as a file for full quality. /help says more, /privacy what is kept."
    ),
    "telegram.help": (
        "Send a picture with a text such as: fog rolls in | 3s: night falls\n"
        "At the end of the text you may set the length (up to {longest} s), the seed and the quality "
        "({qualities}), and hide the film until it is clicked: fog rolls in 5s seed=42 q=draft spoiler\n"
        "Send the picture as a file for full quality.\n"
        "In a group, reply to a picture with /animate@{bot} and the text.\n"
        "Buttons under the film: stop here, change what happens next, new seed, extend.\n"
        "/queue /cancel /history /settings /privacy /forgetme"
    ),
    "telegram.examples": "This model knows: {examples}",
    "telegram.privacy": (
        "What is kept: your Telegram user ID (not your phone number), your pictures, texts and films, your "
        "settings, and when you accepted the terms. It is used to make your films and to stop abuse. It "
        "stays with the owner of this bot and is never used for training. /forgetme deletes all of it, "
        "messages with your films included. Only a ban stays and, for a day and without your name, how much "
        "GPU time you used."
    ),
    "telegram.privacy_days": "Films and pictures go by themselves after {days} days.",
    "telegram.terms": (
        "The terms: I may only animate pictures that I have the right to; no real people without their consent; "
        "nothing sexual, nothing that harms anybody. Films say that they were made by AI."
    ),
    "telegram.terms_ask": "Do you accept? I ask only once.",
    "telegram.accepted": "Thank you. Your film is on its way.",
    "telegram.refused_terms": "All right, then nothing is kept.",
    "telegram.ask_prompt": "What should move?",
    "telegram.write_prompt": "Reply with what should happen.",
    "telegram.write_edit": "Reply with the new text. It makes a new film from the same picture.",
    "telegram.write_steer": "Reply with what should happen from now on.",
    "telegram.write_report": "Reply with what is wrong with this film.",
    "telegram.placeholder": "fog rolls in | 3s: night falls",
    "telegram.text_please": "I need some text here. Reply with words.",
    "telegram.album_taken": "I take one picture of this album: the one with the text.",
    "telegram.album_first": "I take the first picture of this album.",
    "telegram.send_a_picture": "Send me a picture, and write under it what should happen.",
    "telegram.no_picture": "There is no picture. Send one with this command under it, or reply to one.",
    "telegram.no_picture_group": "There is no picture. Reply to one with this command.",
    "telegram.as_yourself": "I cannot tell who you are. Send it as yourself, not as the group or a channel.",
    "telegram.no_picture_there": "There is no picture in that message. Reply to one that has one.",
    "telegram.picture_gone": "Telegram no longer gives me that picture. Send it again.",
    "telegram.no_such_command": "There is no such command. /help lists them.",
    "telegram.queued": "Film {job} is in line.",
    "telegram.steered": "From now on it follows your text (film {job}).",
    "telegram.delete_sure": "The film and its files would be gone for good. Press again to delete them.",
    "telegram.deleted": "Deleted.",
    "telegram.not_yours": "Only the owner of this film and moderators can do that.",
    "telegram.question_over": "That question is no longer open.",
    "telegram.question_not_yours": "This button is for somebody else.",
    "telegram.button_unknown": "This button is from another version. Use /history to see your films.",
    "telegram.queue_empty": "Nothing is in line. Send me a picture.",
    "telegram.queue_title": "In line: {films}",
    "telegram.queue_more": "and {films} more",
    "telegram.nothing_to_cancel": "You have no films waiting or being made.",
    "telegram.cancel_which": "Which film?",
    "telegram.history_empty": "There are no films of yours here yet. Send me a picture.",
    "telegram.history_title": "Your latest films: {films}. Press one to see it.",
    "telegram.settings_title": "Your settings. Press one to change it.",
    "telegram.setting.seconds": "Length",
    "telegram.setting.quality": "Quality",
    "telegram.setting.notify": "When a film is ready",
    "telegram.setting.language": "Language",
    "telegram.setting.spoiler": "Films",
    "telegram.spoiler.on": "hidden until clicked",
    "telegram.spoiler.off": "shown",
    "telegram.notify.ping": "notify me",
    "telegram.notify.silent": "silently",
    "telegram.notify.off": "don't notify",
    "telegram.auto": "as in your Telegram",
    "telegram.forget_sure": (
        "Everything about you here would be deleted: films, pictures, texts, settings. This cannot be undone."
    ),
    "telegram.forgotten": "Done. Films deleted: {films}. Their messages will follow in a moment.",
    "telegram.report_thanks": "Thank you. The people who look after this bot will see it.",
    "telegram.reported": "Film {job} was reported: {reason}",
    "telegram.report_removed": "Film {job} was reported and is deleted.",
    "telegram.report_kept": "Film {job} was reported and stays.",
    "telegram.copy_seed": "Copy seed {seed}",
    "telegram.button.plain": "Gentle motion",
    "telegram.button.write": "Write a prompt",
    "telegram.button.accept": "Accept",
    "telegram.button.refuse": "No",
    "telegram.button.delete": "Delete",
    "telegram.button.report": "Report",
    "telegram.button.close": "Close",
    "telegram.button.forget": "Delete everything",
    "telegram.button.show": "Show",
    "telegram.button.hide": "Delete film",
    "telegram.button.letbe": "Nothing wrong",
    "telegram.wrong_token": (
        "Telegram does not know this token. Copy it again from @BotFather into TELEGRAM_TOKEN or [telegram] token."
    ),
    "telegram.conflict": "Another program fetches this bot's messages with the same token. Stop that one.",
    "telegram.status": "{state}. In line: {films}.",
    "telegram.state.open": "The queue is open",
    "telegram.state.paused": "The queue is paused",
    "telegram.state.draining": "The queue takes in nothing new",
    "telegram.state.shut": "The queue is paused and takes in nothing new",
    "telegram.ban_whom": "Who? Reply to them, or write their ID: /ban 1234567 24 why",
    "telegram.banned": "{person} is banned.",
    "telegram.unbanned": "{person} may ask for films again.",
    "telegram.not_banned": "{person} is not banned.",
    "telegram.limits_where": "A group's own limits are set in that group.",
    "telegram.limits_how": "Write /limits 2 10s (films of one person at once, the longest film), or /limits off.",
    "telegram.limits_here": "In this group: {limits}",
    "telegram.limits": (
        "Waiting or running at once: {user} per person, {chat} per chat, {all} in all. Films up to {longest} s, "
        "pictures up to {image_mib} MiB."
    ),
    # the terminal
    "terminal.section": "section {n} of {of}",
    "terminal.section_step": "section {n} of {of}, step {step} of {steps}",
    "terminal.saved": "{seconds} s saved to {path} (film {job}, seed {seed})",
    "terminal.saved_part": "{seconds} of {of} s saved to {path} (film {job}, seed {seed}), which is still in line.",
    "terminal.kept": "Stopped. The {seconds} s that were ready are kept in {path} (film {job}, seed {seed})",
    "terminal.go_on": "flipbot animate --extend {job} makes it longer.",
    "terminal.no_films": "No film was asked for in a terminal yet. Give a film's number; flipbot queue shows them.",
    "terminal.film_lost": "The file of film {job} is not in the data folder any more.",
    "terminal.cancelled": "Cancelled. Nothing was ready yet, so nothing was kept.",
    "terminal.elsewhere": "A service is already running here, so it makes the film.",
    "terminal.stopping": "Stopping; what is ready is kept. Press Ctrl-C again to leave at once.",
    "terminal.leaving": "Leaving at once.",
    "terminal.page": "The page is at {url}. Stop with Ctrl-C.",
    # operators
    "refused.metrics": "The metrics cannot be served at {host}:{port}. Choose another place in [service] metrics.",
    "refused.person": (
        "{got} names nobody. Write discord:ID or telegram:ID, where an ID is a number, or page:ID as /admin shows it."
    ),
    "refused.lasting": "{got} is not a length of time. Write 30m, 12h or 7d, or leave it out for ever.",
    "refused.not_banned": "{who} is not banned there.",
    "refused.film_number": "{got} is not a film number. flipbot queue shows them.",
    "refused.number": "{got} is not a film number. /queue and /history show them.",
    "refused.film_ended": "Film {job} has already ended.",
    "refused.server": "{got} is not a server. Write its ID, which is a number.",
    "terminal.paused": "Paused: no new section is started. flipbot resume goes on.",
    "terminal.paused_because": "Paused: {reason}. No new section is started; flipbot resume goes on.",
    "terminal.autostart_linux": (
        "For systemd:\n"
        "mkdir -p ~/.config/systemd/user\n"
        "flipbot autostart {what} > ~/.config/systemd/user/{name}.service\n"
        "systemctl --user daemon-reload && systemctl --user enable --now {name}\n"
        "loginctl enable-linger # so that it runs while nobody is signed in, too\n"
        "Tokens, if any, go into ~/.config/flipbot.env, a line each: DISCORD_TOKEN=…\n"
        "Its log: journalctl --user -u {name} -f"
    ),
    "terminal.autostart_macos": (
        "For launchd:\n"
        "flipbot autostart {what} > ~/Library/LaunchAgents/{name}.plist\n"
        "launchctl load ~/Library/LaunchAgents/{name}.plist\n"
        "Tokens, if any, are named in the configuration, by token_file."
    ),
    "terminal.autostart_windows": (
        "Win+R, shell:startup opens the folder of what starts when you sign in. Write that to {name}.cmd in it:\n"
        "flipbot autostart {what} > {name}.cmd\n"
        "Tokens, if any, are named in the configuration, by token_file."
    ),
    "terminal.resting": "Films are made again from {opens} on, by the clock of {machine} ([model] hours).",
    "terminal.in_use": "{machine} is left to {program} ([model] yields_to). Films go on when that has ended.",
    "terminal.draining": "Draining: no new films are taken in. flipbot resume takes them in again.",
    "terminal.draining_because": "Draining: {reason}. No new films are taken in; flipbot resume takes them in again.",
    "terminal.shut": (
        "Paused and draining: no new section is started, no new films are taken in. flipbot resume lifts both."
    ),
    "terminal.shut_because": (
        "Paused and draining: {reason}. No new section is started, no new films are taken in; flipbot resume "
        "lifts both."
    ),
    "terminal.server_paused": "Server {server} is paused: its films wait for flipbot resume --server {server}.",
    "terminal.server_paused_because": (
        "Server {server} is paused: {reason}. Its films wait for flipbot resume --server {server}."
    ),
    "terminal.server_draining": (
        "Server {server} is draining: no new films of it until flipbot resume --server {server}."
    ),
    "terminal.server_draining_because": (
        "Server {server} is draining: {reason}. No new films of it until flipbot resume --server {server}."
    ),
    "terminal.server_shut": (
        "Server {server} is paused and draining: its films wait, and no new ones are taken in, "
        "until flipbot resume --server {server}."
    ),
    "terminal.server_shut_because": (
        "Server {server} is paused and draining: {reason}. Its films wait, and no new ones are taken in, "
        "until flipbot resume --server {server}."
    ),
    "terminal.server_open": "Server {server} is open: its films are made, new ones are taken in.",
    "terminal.server_open_only": "Server {server} is open again by itself, but this holds for all servers:",
    "terminal.did_resume": "Open: sections are made and films are taken in.",
    "terminal.did_first": "Film {job} comes first now.",
    "terminal.did_ban": "{who} is banned everywhere, for ever.",
    "terminal.did_ban_until": "{who} is banned everywhere until {until}.",
    "terminal.server_ban": "{who} is banned on server {server}, for ever.",
    "terminal.server_ban_until": "{who} is banned on server {server} until {until}.",
    "terminal.did_unban": "{who} is not banned any more.",
    "terminal.more": "and {more} more",
    "terminal.column_left": "when",
    "terminal.column_at": "at",
    "terminal.column_by": "by",
    "terminal.column_action": "did",
    "terminal.column_scope": "where",
    "terminal.column_target": "to",
    "terminal.column_reason": "why",
    "terminal.queue_empty": "Nothing is in line.",
    "terminal.no_service": "No service is running here, so nothing is being made. flipbot run starts it.",
    "terminal.no_worker": (
        "No worker runs here, so films wait until one does: flipbot run, in place of flipbot front, does both; with "
        "PostgreSQL, flipbot worker does it on other machines."
    ),
    "terminal.cancelled_job": "Film {job} is cancelled.",
    "terminal.no_picture": "Name the picture that the film begins with, or a film with --extend.",
    "terminal.extend_keeps": "A film that goes on keeps what it was made with: leave out {options}.",
    "terminal.no_such_job": "There is no film {job}.",
    "terminal.moving_files": ("copying files"),
    "terminal.moved": (
        "{rows} rows were copied. From now on start flipbot with -c {path}; what it leaves behind stays as it is."
    ),
    "terminal.move_missing": "{count} files that rows name were not in the old place.",
    "terminal.no_database": (
        "There is no database {path} yet: flipbot run makes it. If your service keeps everything elsewhere, name that "
        "folder with --data-dir, or its configuration with -c."
    ),
    "terminal.not_served": "No service runs on {path}, so this holds from its next start.",
    "terminal.no_folder": "There is no data folder {path}, so nothing is in line there.",
    "terminal.audit_empty": "No operator has done anything yet.",
    "terminal.option_empty": "{option} is empty. Give it a value, or leave it out.",
    "terminal.service_stopped": "The service has just stopped. flipbot run starts it; what is in line is kept.",
    "terminal.service_silent": "The service does not answer. Wait a moment, or restart it.",
    "terminal.process_silent": "The service (process {process}) does not answer. Wait a moment, or restart it.",
    "terminal.service_gone": (
        "The service stopped while it made film {job}. It goes on with the next flipbot run, "
        "and flipbot film {job} saves what is ready."
    ),
    "terminal.column_job": "film",
    "terminal.column_from": "from",
    "terminal.column_prompt": "text",
    "terminal.column_done": "parts",
    "terminal.column_state": "status",
    "terminal.setting_up": "Preparing the model, which happens once.",
    # flipbot download
    "terminal.licence": "Licence of these weights: {licence} ({at}). Not granted in {where}: nobody there may use it.",
    "terminal.licence_where": "the European Union, the United Kingdom and South Korea",
    "terminal.licence_ask": "Do you accept it, and are you outside of these? [y/N]",
    "terminal.download_plan": "{model}: about {gib} GiB go to {path}. What is there is kept; Ctrl-C loses nothing. "
    "Whether this machine is enough for it, flipbot doctor --model {model} says beforehand.",
    "terminal.download_asking": "asking which files there are",
    "terminal.download_checking": "checking {file}",
    "terminal.download_done": "{model} is complete in {path}: {gib} GiB, {fetched} of them fetched now.",
    "terminal.download_skipped": "Left out, because nothing in them is ever read: {files}",
    "terminal.download_unread": "{file} holds {count} weights that are never read; a file comes whole or not at all.",
    "terminal.download_unproven": "No hash was known for {count} files of the copy; it is written down now.",
    "terminal.download_moved": "The commit that was taken before is not on the hub any more: the newest of {repos} was "
    "taken, and of what is here all that is the same in it was kept.",
    "terminal.download_stopped": "Stopped. What was fetched is kept; the same command goes on from there.",
    "download.checkpoint_incomplete": "The model is not complete: {file} is not there. Run the same command again, "
    "without `--from` or with another copy.",
    "download.checkpoint_corrupt": "The model is not whole: {file} {why}. Run the same command again, without `--from` "
    "or with another copy.",
    "download.disk_full": "The disk is full ({where}). What was fetched is kept; free some room, and the same command "
    "goes on from there.",
    # flipbot doctor
    "doctor.fine": "ok",
    "doctor.note": "note",
    "doctor.miss": "MISS",
    "doctor.config": "Configuration: {path}.",
    "doctor.no_config": "No {name} here: everything has its default.",
    "doctor.ready": "Everything is in place.",
    "doctor.one_miss": "One thing to mend: the line marked {mark}.",
    "doctor.misses": "{count} things to mend: the lines marked {mark}.",
    "doctor.service": "A service is running on {path} (process {process}).",
    "doctor.discord": "Discord knows the token ({name}). Invite it: {url}",
    "doctor.discord_off": "Discord is not used: there is no token (DISCORD_TOKEN, or [discord] token_file).",
    "doctor.discord_token": "Discord does not accept the token: copy it anew from the portal, Bot, Reset Token.",
    "doctor.discord_away": "Discord cannot be reached at {url} ({why}): check the network, then try again.",
    "doctor.telegram": "Telegram knows the bot as @{name}.",
    "doctor.telegram_private": "Telegram knows the bot as @{name}, with privacy mode on.",
    "doctor.telegram_off": "Telegram is not used: there is no token (TELEGRAM_TOKEN, or [telegram] token_file).",
    "doctor.telegram_away": "Telegram cannot be reached from here ({why}), so the token was not tried.",
    "doctor.away_name": "its name could not be resolved",
    "doctor.away_refused": "the connection was refused",
    "doctor.away_certificate": "its certificate is not trusted here",
    "doctor.away_time": "no answer in time",
    "doctor.away_answer": "the answer could not be understood",
    "doctor.away_broken": "the connection failed",
    "doctor.page": "The page can open at {host}, port {port}.",
    "doctor.metrics": "The metrics can open at {host}, port {port}.",
}
