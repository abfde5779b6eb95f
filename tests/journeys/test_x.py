import urllib.request, urllib.error, base64
def test_x(live):
    u,v=live.credentials("olivia@acme.example")
    r=urllib.request.Request(live.url+"/verify",headers={"Authorization":"Basic "+base64.b64encode(f"{u}:{v}".encode()).decode()})
    with urllib.request.urlopen(r) as a: print(a.status,a.headers)
    live.stop()
    print(live.log)
    print(live.run("from keys.models import *;print(ClassicKey.objects.filter(last_used_at__isnull=False).values_list('last_used_from','last_used_at'))"))
    live.start()
    with urllib.request.urlopen(r) as a: print(a.status,a.headers)
