"""Routes of people and accounts."""

from django.urls import path

from accounts.views import (
    activity,
    importing,
    invitations,
    joining,
    login_sessions,
    membership,
    session,
    settings,
    user_details,
    users,
)

app_name = "accounts"
urlpatterns = [
    path("login", session.login, name="login"),
    path("logout", session.logout, name="logout"),
    path("account/switch", session.switch_account, name="switch-account"),
    path("iam/users", users.index, name="users"),
    path("iam/users.csv", users.export, name="users-csv"),
    path("iam/users/invite_users", invitations.invite, name="invite"),
    path("iam/users/import", importing.import_members, name="import"),
    path("iam/users/add_vpn_user", invitations.add_vpn_user, name="add-vpn-user"),
    path("iam/users/<int:member_id>", user_details.show, name="user"),
    path("iam/users/<int:member_id>/vpn_password", user_details.vpn_password, name="vpn-password"),
    path("iam/users/<int:member_id>/status", membership.status, name="status"),
    path("iam/users/<int:member_id>/parent", membership.parent, name="parent"),
    path("iam/users/<int:member_id>/permissions", membership.permissions, name="permissions"),
    path("iam/users/<int:member_id>/login", membership.login, name="user-managed-login"),
    path("iam/users/<int:member_id>/remove", membership.remove, name="remove"),
    path("iam/users/<int:member_id>/freeze", membership.freeze, name="freeze"),
    path("iam/users/<int:member_id>/thaw", membership.thaw, name="thaw"),
    path("iam/users/<int:member_id>/resend_invite", invitations.resend, name="resend-invite"),
    path("iam/users/<int:member_id>/cancel_invite", invitations.cancel, name="cancel-invite"),
    path("invitations/<str:token>", joining.accept, name="accept-invitation"),
    path("iam/users/<int:member_id>/end_sessions", login_sessions.end_all_of, name="end-user-sessions"),
    path("iam/settings", settings.index, name="settings"),
    path("iam/settings/user_list", settings.user_list, name="settings-user-list"),
    path("iam/settings/addresses", settings.addresses, name="settings-addresses"),
    path("iam/settings/domains", settings.domains, name="settings-domains"),
    path("iam/settings/login_session", settings.login_session, name="settings-login-session"),
    path("user/sessions", login_sessions.index, name="login-sessions"),
    path("user/sessions/end_all", login_sessions.end_all, name="end-all-sessions"),
    path("user/sessions/<uuid:uid>/end", login_sessions.end, name="end-session"),
    path("iam/activity", activity.index, name="activity"),
    path("iam/activity.csv", activity.export, name="activity-csv"),
]
