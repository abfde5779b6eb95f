"""What this app tells the apps above it, inside the transaction of the change. Receivers must not swallow errors."""

from django.dispatch import Signal

#: A branch moved. Arguments: account_id, old_path, new_path (of the branch's root).
branch_moved = Signal()

#: A member is about to be removed: what is theirs goes with them. Arguments: member, by, origin.
member_leaving = Signal()

#: A member's status was changed by another. Arguments: member, by, origin.
status_changed = Signal()

#: An event was recorded, in the transaction of its change. Arguments: event, actor, subject (members, or none),
#: is_told (whether the mail that it calls for is posted).
event_recorded = Signal()

#: Events of one action were recorded together. Arguments: events, actor, subjects (members, one for each event).
events_recorded = Signal()
